# SPDX-License-Identifier: LGPL-2.1-or-later
"""The prompts of the contact sheets."""

SHEET = [
    "a red circle on a blue background", "two green squares under a yellow star", "a white cat",
    "a cat playing piano", "a sunset over mountains", "a sailing boat at night",
    "snow falling on a small house", "three purple hearts on a white background",
    "a pink balloon on the right on a grey background", "a black dog wearing a red hat",
    "a rabbit reading a blue book", "a forest in the rain", "a city at night", "a rainbow over a meadow",
    "an orange fish on a blue background", "a yellow butterfly at the top on a purple background",
    "a green car in the desert", "a bear sleeping", "a rocket flying over the sea at dawn",
    "four white moons on a black background", "a red mushroom and a brown bear",
    "a purple tree on a hill at sunset", "a blue umbrella on the left", "a cat in a boat"]
