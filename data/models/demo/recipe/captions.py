# SPDX-License-Identifier: LGPL-2.1-or-later
"""Says in English what a scene is, in many ways."""

import random

from palette import SYNONYMS

NAMES = {
    "circle": ["circle", "circle", "circle", "disc", "dot", "ball"],
    "square": ["square", "square", "square", "box"],
    "triangle": ["triangle"], "star": ["star"], "heart": ["heart"],
    "diamond": ["diamond", "diamond", "rhombus"],
    "ring": ["ring", "ring", "donut"],
    "moon": ["moon", "crescent moon", "crescent"],
    "sun": ["sun"], "cloud": ["cloud"], "balloon": ["balloon"], "apple": ["apple"],
    "fish": ["fish"], "bird": ["bird", "bird", "little bird"], "butterfly": ["butterfly"],
    "rocket": ["rocket", "spaceship"], "umbrella": ["umbrella"],
    "boat": ["boat", "sailing boat", "sailboat", "ship"],
    "cat": ["cat", "cat", "cat", "kitten"], "dog": ["dog", "dog", "dog", "puppy"],
    "rabbit": ["rabbit", "rabbit", "bunny"], "bear": ["bear", "teddy bear"],
    "house": ["house", "house", "house", "cottage", "home"],
    "tree": ["tree"], "fir": ["fir tree", "pine tree", "Christmas tree"],
    "flower": ["flower"], "mushroom": ["mushroom"], "car": ["car"],
    "cup": ["cup", "mug", "cup of coffee", "cup of tea"], "snowman": ["snowman"],
    "piano": ["piano"], "guitar": ["guitar"], "book": ["book"], "hat": ["hat"],
}
PLURALS = {"fish": "fish", "butterfly": "butterflies", "box": "boxes", "house": "houses",
           "puppy": "puppies", "bunny": "bunnies", "snowman": "snowmen", "rhombus": "rhombuses",
           "little bird": "little birds", "cup of coffee": "cups of coffee",
           "cup of tea": "cups of tea"}
NUMBERS = {1: ["one"], 2: ["two", "two", "2", "a pair of"], 3: ["three", "three", "3"],
           4: ["four", "four", "4"], 5: ["five", "five", "5"]}
SMALL = ["small", "small", "tiny", "little"]
BIG = ["big", "big", "large", "huge", "giant"]
PRAISE = ["cute", "beautiful", "simple", "lovely", "nice", "pretty", "friendly", "happy", "flat",
          "bright", "funny", "adorable", "shiny", "single"]
OPENERS = ["a picture of ", "an illustration of ", "a drawing of ", "a poster of ", "an image of ",
           "a painting of ", "there is ", "draw ", "this is ", "a photo of ", "flat design of ",
           "please draw ", "show me ", "I want ", "minimal art, ", "vector art of "]
ENDINGS = [", flat design", ", simple illustration", ", minimalist poster", ", vector art",
           ", high quality", ", cartoon style", ", clean shapes", " please", ", colorful",
           ", children's book illustration", ", soft light", ", highly detailed", ", 4k"]
BACKGROUND = [" on a {} background", " on a {} background", " on a {} background",
              " on {}", " against a {} background", " in front of a {} background",
              " with a {} background", ", {} background", " over a {} background",
              " on a plain {} background", " and a {} background", " before a {} wall"]
PLACE = {
    "left": [" on the left", " on the left", " on the left side", " at the left", " to the left"],
    "right": [" on the right", " on the right", " on the right side", " at the right",
              " to the right"],
    "top": [" at the top", " at the top", " on top", " in the upper part", " near the top"],
    "bottom": [" at the bottom", " at the bottom", " in the lower part", " near the bottom"],
    "top left": [" in the top left corner", " at the top left", " in the upper left"],
    "top right": [" in the top right corner", " at the top right", " in the upper right"],
    "bottom left": [" in the bottom left corner", " at the bottom left", " in the lower left"],
    "bottom right": [" in the bottom right corner", " at the bottom right", " in the lower right"],
    "centre": [" in the centre", " in the middle", " in the center", " centered"],
}
RELATION = {
    "above": [" above ", " above ", " over ", " on top of "],
    "below": [" under ", " below ", " beneath ", " underneath "],
    "left of": [" to the left of ", " left of ", " on the left and "],
    "right of": [" to the right of ", " right of "],
    "and": [" and ", " and ", " next to ", " beside ", " with "],
}
ACTIONS = {
    "piano": ["playing piano", "playing the piano", "at the piano", "plays the piano",
              "playing a piano", "playing music on a piano"],
    "guitar": ["playing guitar", "playing the guitar", "with a guitar", "plays the guitar",
               "holding a guitar"],
    "hat": ["wearing a {}hat", "with a {}hat", "in a {}hat", "with a {}hat on its head"],
    "balloon": ["holding a {}balloon", "with a {}balloon", "and a {}balloon"],
    "umbrella": ["under a {}umbrella", "with a {}umbrella", "holding a {}umbrella"],
    "book": ["reading a {}book", "reading a {}book", "with a {}book", "reads a {}book"],
    "asleep": ["sleeping", "asleep", "taking a nap", "lying down", "sleeps", "that is sleeping"],
    "boat": ["in a boat", "in a boat on the sea", "sailing on the sea", "rowing a boat",
             "in a small boat at sea", "riding a boat"],
}
LANDS = {
    "mountains": ["mountains", "mountains", "the mountains", "snowy peaks", "a mountain range"],
    "hills": ["hills", "green hills", "rolling hills", "the hills"],
    "sea": ["the sea", "the ocean", "the sea", "water", "calm water"],
    "desert": ["the desert", "a desert", "a desert with cactus", "sand dunes"],
    "forest": ["a forest", "the forest", "a pine forest", "the woods"],
    "city": ["a city", "the city", "a town", "a skyline", "city buildings"],
    "meadow": ["a meadow", "a field of flowers", "a flower meadow", "a green field", "the grass"],
}
# Where a subject is when it is in a land.
WITHIN = {
    "mountains": ["in the mountains", "in front of mountains", "before the mountains"],
    "hills": ["on a hill", "in the hills", "on green hills"],
    "sea": ["on the sea", "on the ocean", "on the water", "at sea"],
    "desert": ["in the desert", "in a desert"],
    "forest": ["in a forest", "in the forest", "in the woods"],
    "city": ["in the city", "in a city", "in a town", "on a street"],
    "meadow": ["in a meadow", "in a field of flowers", "on the grass", "in a green field"],
}
HOURS = {
    "day": ["by day", "in daylight", "on a sunny day", "under a blue sky", "in the sunshine"],
    "sunset": ["at sunset", "at sunset", "in the evening", "at dusk", "in the evening light"],
    "night": ["at night", "at night", "under the stars", "by moonlight", "in the night",
              "under the moon", "on a starry night"],
    "dawn": ["at dawn", "at sunrise", "in the morning", "early in the morning"],
}
HOUR_NOUNS = {"day": ["a sunny day", "a clear day", "daylight", "a blue sky"],
              "sunset": ["a sunset", "sunset", "the sunset", "an evening", "dusk"],
              "night": ["night", "a starry night", "a night sky", "moonlight", "the moon"],
              "dawn": ["a sunrise", "sunrise", "dawn", "a morning"]}
WEATHER = {
    "snow": ["in the snow", "in winter", "while it snows", "with snow falling", "in a snowfall"],
    "rain": ["in the rain", "on a rainy day", "while it rains", "with rain falling"],
    "rainbow": ["with a rainbow", "under a rainbow", "and a rainbow"],
    "clouds": ["with clouds", "under a cloudy sky", "on a cloudy day", "with many clouds"],
}
FALLING = {"snow": ["snow falling on ", "snow falling over ", "snowfall over ", "snow on ",
                    "winter, "],
           "rain": ["rain falling on ", "rain over ", "rain falling over ", "a rainy day over "],
           "rainbow": ["a rainbow over ", "a rainbow above "],
           "clouds": ["clouds over ", "clouds above "]}
NOISE = ["quick", "old", "new", "winter", "summer", "music", "paper", "deep", "story", "glass",
         "warm", "cold", "wild", "magic", "king", "queen", "dream", "quiet", "ancient", "modern",
         "wooden", "fluffy", "dancing", "running", "smiling", "digital", "realistic", "epic"]


def article(words):
    """The words with a or an before them."""
    return ("an " if words[0] in "aeiouAEIOU" else "a ") + words


def plural(noun):
    """More than one."""
    return PLURALS.get(noun) or noun + "s"


def colour_word(rng, name):
    """A word for a colour."""
    if name in SYNONYMS and rng.random() < 0.15:
        return rng.choice(SYNONYMS[name])
    return name


def adjectives(rng, size, colour, praise=0.07):
    """Size, praise and colour in their order, with a space after each."""
    words = []
    if size:
        words.append(rng.choice(SMALL if size == "small" else BIG))
    if rng.random() < praise:
        words.append(rng.choice(PRAISE))
    if colour:
        words.append(colour_word(rng, colour))
    return "".join(word + " " for word in words)


def say_group(rng, group, count=None):
    """A subject, or several."""
    count = count or group["count"]
    noun = rng.choice(NAMES[group["subject"]])
    words = adjectives(rng, group["size"], group["colour"])
    if count == 1:
        one = article(words + noun)
        return ("one " + words + noun) if rng.random() < 0.04 else one
    return f"{rng.choice(NUMBERS[count])} {words}{plural(noun)}"


def say_background(rng, name):
    """What it stands on, or nothing."""
    if not name:
        return ""
    return rng.choice(BACKGROUND).format(colour_word(rng, name))


def say_plain(rng, scene):
    """Subjects on one colour."""
    groups = scene["groups"]
    text = say_group(rng, groups[0])
    if len(groups) == 2:
        text += rng.choice(RELATION[scene["relation"]]) + say_group(rng, groups[1])
        if scene["relation"] == "left of" and " on the left and " in text:
            text += " on the right"
    background = say_background(rng, scene["background"])
    place = rng.choice(PLACE[groups[0]["place"]]) if groups[0]["place"] else ""
    if rng.random() < 0.45:
        return text + place + background
    if rng.random() < 0.15 and scene["background"]:
        return f"{colour_word(rng, scene['background'])} background, {text}{place}"
    return text + background + place


def say_action(rng, scene):
    """An animal at something."""
    tint = colour_word(rng, scene["tint"]) + " " if scene["tint"] else ""
    action = rng.choice(ACTIONS[scene["action"]]).format(tint)
    for before in ("a orange", "a azure", "a umbrella"):
        action = action.replace(before, "an" + before[1:])
    animal = article(adjectives(rng, None, scene["colour"]) + rng.choice(NAMES[scene["animal"]]))
    if scene["action"] == "asleep" and rng.random() < 0.3:
        animal, action = animal.replace("a ", "a sleeping ", 1).replace("an ", "a sleeping "), ""
    return f"{animal} {action}".strip() + say_background(rng, scene["background"])


def say_scenery(rng, scene):
    """A landscape."""
    terrain, time, weather = scene["terrain"], scene["time"], scene["weather"]
    hour = rng.choice(HOURS[time]) if time != "day" or rng.random() < 0.35 else ""
    sky = rng.choice(WEATHER[weather]) if weather else ""
    if not scene["subject"]:
        land = rng.choice(LANDS[terrain])
        chance = rng.random()
        if weather and chance < 0.5:
            return f"{rng.choice(FALLING[weather])}{land} {hour}".strip()
        if not weather and chance < 0.7:
            where = rng.choice(["over", "over", "above", "in", "at", "behind"])
            return f"{rng.choice(HOUR_NOUNS[time])} {where} {land}"
        return " ".join(part for part in (land, hour, sky) if part)
    noun = rng.choice(NAMES[scene["subject"]])
    subject = article(adjectives(rng, scene["size"], scene["colour"]) + noun)
    # The sea is where a boat is; elsewhere the land has to be said.
    place = rng.choice(WITHIN[terrain])
    if terrain == "sea" and scene["subject"] == "boat" and rng.random() < 0.4:
        place = ""
    if scene["subject"] in ("bird", "balloon", "butterfly", "rocket"):
        place = rng.choice(["over ", "above ", "flying over "]) + rng.choice(LANDS[terrain])
    if weather in ("snow", "rain") and rng.random() < 0.4:
        return " ".join(part for part in (
            rng.choice(FALLING[weather]) + subject, place if rng.random() < 0.6 else "", hour) if part)
    parts = [place, hour, sky]
    if rng.random() < 0.3:
        parts = [hour, place, sky]
    return " ".join(part for part in [subject, *parts] if part)


def typo(rng, text):
    """A slip of the keyboard."""
    i = rng.randrange(len(text))
    chance = rng.random()
    if chance < 0.4:
        return text[:i] + text[i + 1:]
    if chance < 0.7 and i + 1 < len(text):
        return text[:i] + text[i + 1] + text[i] + text[i + 2:]
    return text[:i] + rng.choice("abcdefghijklmnopqrstuvwxyz") + text[i:]


def roughen(rng, text):
    """What people do: no articles, capitals, openings, endings, words we do not know, slips."""
    if rng.random() < 0.12:
        text = rng.choice(OPENERS) + text
    if rng.random() < 0.1:
        text += rng.choice(ENDINGS)
    if rng.random() < 0.06:
        text = " ".join(word for word in text.split() if word not in ("a", "an", "the"))
    if rng.random() < 0.05:
        words = text.split()
        words.insert(rng.randrange(len(words) + 1), rng.choice(NOISE))
        text = " ".join(words)
    if rng.random() < 0.03:
        text = typo(rng, text)
    chance = rng.random()
    if chance < 0.15:
        text = text[:1].upper() + text[1:]
    elif chance < 0.17:
        text = text.upper()
    if rng.random() < 0.12:
        text += "."
    return text


def say(scene, seed, plain=False):
    """A caption for a scene; plain ones are without slips and flourishes."""
    rng = random.Random(seed)
    makers = {"plain": say_plain, "action": say_action, "scenery": say_scenery}
    text = makers[scene["kind"]](rng, scene)
    return text if plain else roughen(rng, text)
