/* test_clients.js: the server with the client packages of Node
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_clients.py starts the servers and this. URL is that of one with the models “tiny” and “stored”; STRICT is that
 * of one that takes the keys “one”, “two” and “three”, of each a job at a time, lets one job wait, and is the process
 * STRICT_PID. */

'use strict';

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { Ollama } = require('ollama');
const OpenAI = require('openai');

const { URL: url, STRICT: strict, STRICT_PID: strictPid } = process.env;
const QUICK = { model: 'tiny', prompt: 'a cat', size: '64x64', steps: 4, seed: 7 };
const LONG = { ...QUICK, steps: 1000, size: '256x256' };

function assertPng(base64) {
  assert.equal(Buffer.from(base64, 'base64').subarray(1, 4).toString(), 'PNG');
}

async function getMetric(name, base = url, key = 'none') {
  const text = await (await fetch(`${base}/metrics`, { headers: { Authorization: `Bearer ${key}` } })).text();
  return Number(text.split('\n').find(line => line.startsWith(`${name} `)).split(' ')[1]);
}

async function waitFor(what) {
  for (let i = 0; i < 2000; i++) {
    if (await what())
      return;
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  assert.fail('it did not come');
}

async function collect(stream) {
  const parts = [];
  for await (const part of stream)
    parts.push(part);
  return parts;
}

describe('openai', () => {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });

  it('makes a picture', async () => {
    const answer = await client.images.generate(QUICK);
    assert.equal(answer.data.length, 1);
    assert.equal(answer.size, '64x64');
    assert.equal(answer.data[0].seed, 7);
    assertPng(answer.data[0].b64_json);
  });

  it('makes several', async () => {
    const { data } = await client.images.generate({ ...QUICK, n: 3 });
    assert.deepEqual(data.map(picture => picture.seed), [7, 8, 9]);
    assert.equal(new Set(data.map(picture => picture.b64_json)).size, 3);
  });

  it('makes JPEG, and gives its address', async () => {
    const { data } = await client.images.generate({ ...QUICK, output_format: 'jpeg', response_format: 'url' });
    const answer = await fetch(data[0].url);
    assert.equal(answer.headers.get('content-type'), 'image/jpeg');
    assert.equal(Buffer.from(await answer.arrayBuffer()).readUInt16BE(), 0xffd8);
  });

  it('streams partial images', async () => {
    const events = await collect(await client.images.generate({ ...QUICK, stream: true, partial_images: 2 }));
    assert.deepEqual(events.map(event => event.type), [
      'image_generation.partial_image', 'image_generation.partial_image', 'image_generation.completed']);
    assert.deepEqual(events.slice(0, 2).map(event => event.partial_image_index), [0, 1]);
    assert.equal(events[2].usage.total_tokens, 0);
    events.forEach(event => assertPng(event.b64_json));
    const { data } = await client.images.generate(QUICK);
    assert.equal(events[2].b64_json, data[0].b64_json);
  });

  it('cancels when a stream is left', async () => {
    const stream = await client.images.generate({ ...QUICK, steps: 400, stream: true, partial_images: 3 });
    for await (const event of stream) {
      assert.equal(event.type, 'image_generation.partial_image');
      break;
    }
    await waitFor(async () => await getMetric('zimage_jobs_running') === 0);
    assert.equal(await getMetric('zimage_jobs_total{state="cancelled"}'), 1);
  });

  it('lists models', async () => {
    assert.deepEqual((await collect(await client.models.list())).map(model => model.id),
                     ['tiny:latest', 'stored:latest']);
    assert.equal((await client.models.retrieve('tiny')).object, 'model');
  });

  for (const [change, kind, param] of [
    [{ model: 'none' }, OpenAI.NotFoundError, 'model'], [{ prompt: '' }, OpenAI.BadRequestError, 'prompt'],
    [{ size: '65x64' }, OpenAI.BadRequestError, null], [{ n: 'x' }, OpenAI.BadRequestError, 'n'],
    [{ size: '4096x4096', steps: 1000 }, OpenAI.UnprocessableEntityError, null]])
    it(`throws ${kind.name} for ${JSON.stringify(change)}`, async () => {
      for (const stream of [false, true])
        await assert.rejects(client.images.generate({ ...QUICK, ...change, stream, partial_images: stream ? 1 : 0 }),
                             error => error instanceof kind && typeof error.error.message === 'string' &&
                                      (param === null || error.param === param));
    });
});

describe('ollama', () => {
  const client = new Ollama({ host: url });
  const picture = { model: 'tiny', prompt: 'a cat', width: 64, height: 64, steps: 3, options: { seed: 7 } };

  it('makes a picture', async () => {
    const answer = await client.generate(picture);
    assert.equal(answer.done, true);
    assert.equal(answer.done_reason, 'stop');
    assertPng(answer.image);
  });

  it('streams steps', async () => {
    const parts = await collect(await client.generate({ ...picture, stream: true }));
    assert.deepEqual(parts.slice(0, -1).map(part => [part.completed, part.total]), [[0, 3], [1, 3], [2, 3], [3, 3]]);
    assertPng(parts.at(-1).image);
  });

  it('cancels when a stream is aborted', async () => {
    const before = await getMetric('zimage_jobs_total{state="cancelled"}');
    const stream = await client.generate({ ...picture, steps: 1000, stream: true });
    await assert.rejects(async () => {
      for await (const part of stream)
        if (part.completed > 1)
          stream.abort();
    }, { name: 'AbortError' });
    await waitFor(async () => await getMetric('zimage_jobs_total{state="cancelled"}') === before + 1);
  });

  it('looks after models', async () => {
    const names = async () => (await client.list()).models.map(model => model.name);
    const loaded = async () => (await client.ps()).models.map(model => model.name);
    assert.deepEqual(await names(), ['tiny:latest', 'stored:latest']);
    assert.deepEqual((await client.show({ model: 'stored' })).capabilities, ['image']);
    await client.copy({ source: 'stored', destination: 'copied' });
    assert.equal((await client.create({ model: 'created', from: 'stored' })).status, 'success');
    assert.deepEqual((await names()).sort(), ['copied:latest', 'created:latest', 'stored:latest', 'tiny:latest']);
    await client.generate({ model: 'copied', prompt: '' });
    assert((await loaded()).includes('copied:latest'));
    await client.generate({ model: 'copied', prompt: '', keep_alive: 0 });
    assert(!(await loaded()).includes('copied:latest'));
    for (const model of ['copied', 'created'])
      assert.equal((await client.delete({ model })).status, 'success');
    assert.match((await client.version()).version, /^\d+\.\d+\.\d+/);
  });

  it('throws', async () => {
    await assert.rejects(client.generate({ ...picture, model: 'none' }), { name: 'ResponseError', status_code: 404 });
    await assert.rejects(client.generate({ ...picture, width: 17 }), { name: 'ResponseError', status_code: 400 });
    await assert.rejects(client.show({ model: 'none' }), { name: 'ResponseError', status_code: 404 });
  });
});

describe('openai, and a server with limits', () => {
  const clients = Object.fromEntries(['one', 'two', 'three', 'four'].map(apiKey =>
    [apiKey, new OpenAI({ baseURL: `${strict}/v1`, apiKey, maxRetries: 0 })]));
  const running = new AbortController();

  before(async () => {
    clients.one.images.generate(LONG, { signal: running.signal }).catch(() => {});
    await waitFor(async () => await getMetric('zimage_jobs_running', strict, 'one') === 1);
  });
  after(() => running.abort());

  it('throws AuthenticationError', () => assert.rejects(clients.four.models.list(), OpenAI.AuthenticationError));
  it('throws RateLimitError', () => assert.rejects(clients.one.images.generate(QUICK), error =>
    error instanceof OpenAI.RateLimitError && error.headers.get('retry-after') === '5'));

  it('throws InternalServerError, and APIError in a stream', async () => {
    const stream = await clients.two.images.generate({ ...LONG, stream: true, partial_images: 1 });
    await assert.rejects(clients.three.images.generate(QUICK), error =>
      error instanceof OpenAI.InternalServerError && error.status === 503);
    process.kill(strictPid, 'SIGTERM');
    await assert.rejects(collect(stream), error => error instanceof OpenAI.APIError && /stopped/.test(error.message));
  });
});
