/* picture.js: one picture, in ten lines
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

import ZImage from 'gi://ZImage?version=1.0';

const model = ZImage.Model.open('./Z-Image-Turbo', null);
const pipeline = ZImage.Pipeline.new(model, null);
const params = new ZImage.Params({ prompt: 'a sunset over mountains' });
const images = pipeline.generate(params, null);
images[0].save('sunset.png');
