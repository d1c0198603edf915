/* page.js: what the server's page does; make-page.py replaces each _('text') by a string
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

'use strict';
const $ = id => document.getElementById(id);
const GALLERY_MAX = 200;
let job = null;      // the name of the job that goes on
let shown = null;    // the entry in the viewer
let urls = [];       // of pictures on the page
let busy = false;

/* A text with the values of its {names}. */
function fill(text, values) {
  return text.replace(/{(\w+)}/g, (_match, name) => values[name]);
}

/* The server */

function headers() {
  const key = sessionStorage.getItem('key');
  return key ? { Authorization: `Bearer ${key}` } : {};
}

async function ask(method, path, body) {
  const answer = await fetch(path, {
    method, headers: { ...headers(), ...(body ? { 'Content-Type': 'application/json' } : {}) },
    body: body ? JSON.stringify(body) : undefined,
  });
  if (answer.status === 401)
    askForKey();
  if (!answer.ok) {
    const error = (await answer.json().catch(() => ({}))).error;
    throw new Error(error?.message ?? error ?? fill(_('The server says {status}'), answer));
  }
  return answer;
}

function askForKey() {
  $('key-field').hidden = false;
  $('key').focus();
}

/* Server-sent events, by fetch: an EventSource cannot send a key. */
async function* events(path) {
  const reader = (await ask('GET', path)).body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done)
      return;
    text += value;
    for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
      const fields = Object.fromEntries(text.slice(0, end).split('\n').map(line => line.split(/: (.*)/s, 2)));
      if (fields.data)
        yield [fields.event, JSON.parse(fields.data)];
    }
  }
}

async function loadModels() {
  const models = (await (await ask('GET', '/v1/models')).json()).data;
  const before = $('model').value || localStorage.getItem('model');
  $('model').replaceChildren(...models.map(model => new Option(model.id.replace(/:latest$/, ''), model.id)));
  if (models.some(model => model.id === before))
    $('model').value = before;
  if (models.length === 0)
    say(_('There is no model yet: “zimage pull z-image-turbo” gets one.'), true);
}

/* The gallery, in IndexedDB: pictures are files there, not text. */

let opened = null;

function database() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open('zimage', 1);
    request.onupgradeneeded = () =>
      request.result.createObjectStore('pictures', { keyPath: 'id', autoIncrement: true });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

async function withPictures(mode, action) {
  const db = await database();
  return new Promise((resolve, reject) => {
    const request = action(db.transaction('pictures', mode).objectStore('pictures'));
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function showGallery() {
  const entries = (await withPictures('readonly', store => store.getAll())).reverse();
  for (const old of entries.splice(GALLERY_MAX))
    await withPictures('readwrite', store => store.delete(old.id));
  urls.forEach(url => URL.revokeObjectURL(url));
  urls = [];
  $('gallery').replaceChildren(...entries.map(makeItem));
  $('no-gallery').hidden = entries.length > 0;
}

function makeItem(entry) {
  const item = document.createElement('li');
  const button = document.createElement('button');
  const image = document.createElement('img');
  const caption = document.createElement('p');
  button.type = 'button';
  button.className = 'thumb';
  button.setAttribute('aria-label', fill(_('Open picture: {prompt}'), entry));
  button.onclick = () => view(entry);
  image.src = URL.createObjectURL(entry.blob);
  image.alt = '';
  urls.push(image.src);
  caption.className = 'caption';
  caption.textContent = entry.prompt;
  button.append(image);
  item.append(button, caption);
  return item;
}

function view(entry) {
  const names = { prompt: _('Prompt'), negative_prompt: _('Not'), model: _('Model'), size: _('Size'), steps: _('Steps'),
                  seed: _('Seed'), guidance_scale: _('Guidance') };
  shown = entry;
  $('large').src = URL.createObjectURL(entry.blob);
  $('large').alt = entry.prompt;
  $('details').replaceChildren(...Object.entries(names).filter(([key]) => entry[key] !== undefined && entry[key] !== '')
    .flatMap(([key, name]) => {
      const term = document.createElement('dt');
      const value = document.createElement('dd');
      term.textContent = name;
      value.textContent = entry[key];
      return [term, value];
    }));
  $('save').href = $('large').src;
  $('save').download = `z-image-${entry.seed}.png`;
  $('viewer').showModal();
}

/* Making pictures */

function say(text, bad = false) {
  $('status').textContent = text;
  $('status').classList.toggle('bad', bad);
}

function setBusy(now) {
  busy = now;
  $('make').disabled = now;
  $('cancel').disabled = !now;
  $('progress').hidden = !now;
  $('frame').setAttribute('aria-busy', String(now));
}

function showPicture(url, prompt) {
  $('picture').src = url;
  $('picture').alt = prompt;
  $('picture').hidden = false;
  $('empty').hidden = true;
}

function readForm() {
  const number = id => $(id).value === '' ? undefined : Number($(id).value);
  const size = $('size').value;
  return {
    model: $('model').value || undefined, prompt: $('prompt').value, negative_prompt: $('negative').value || undefined,
    size: size && size !== 'other' ? size : undefined,
    width: size === 'other' ? number('width') : undefined, height: size === 'other' ? number('height') : undefined,
    steps: number('steps'), seed: number('seed'), n: number('n'), guidance_scale: number('guidance'),
  };
}

function formatTime(seconds) {
  const whole = Math.max(1, Math.round(seconds));
  return whole < 90 ? fill(_('{n} s'), { n: whole }) : fill(_('{n} min'), { n: Math.round(whole / 60) });
}

function describe(data) {
  const left = data.eta === null ? '' : fill(_(', about {time} left'), { time: formatTime(data.eta) });
  if (data.state === 'queued')
    return fill(_('Waiting: {position} before this one'), data) + left;
  const names = {
    load: _('Loading the model'), encode: _('Reading the prompt'), decode: _('Developing the picture'),
  };
  return (names[data.stage] ?? fill(_('Step {step} of {total}'), data)) + left;
}

async function keepPictures(done) {
  for (const image of done.images) {
    const blob = await (await ask('GET', new URL(image.url).pathname)).blob();
    showPicture(URL.createObjectURL(blob), done.prompt);
    await withPictures('readwrite', store => store.add({
      blob, prompt: done.prompt, negative_prompt: done.negative_prompt, model: done.model, seed: image.seed,
      size: `${done.width}x${done.height}`, steps: done.steps, guidance_scale: done.guidance_scale,
      created: done.created,
    }));
  }
  await showGallery();
  say(fill(_('Done: seed {seed}, {width} × {height}, {steps} steps'), done)
      + (done.warning ? `. ${done.warning}` : ''));
}

async function follow(prompt) {
  let lastSpoken = '';
  for await (const [name, data] of events(`/api/jobs/${job}/events`)) {
    if (name === 'progress') {
      const text = describe(data);
      if (data.state === 'queued')
        $('progress').removeAttribute('value');
      else
        $('progress').value = data.fraction;
      if (text !== lastSpoken)
        say(lastSpoken = text);
    } else if (name === 'preview')
      showPicture(`data:image/jpeg;base64,${data.b64_json}`, fill(_('Preview: {prompt}'), { prompt }));
    else if (name === 'done')
      return keepPictures(data);
    else if (name === 'error')
      throw new Error(data.error);
  }
  throw new Error(_('The server has gone away'));
}

async function make() {
  if (busy || !$('form').reportValidity())
    return;
  if ($('key').value)
    sessionStorage.setItem('key', $('key').value);
  localStorage.setItem('model', $('model').value);
  const request = readForm();
  setBusy(true);
  /* On a phone it is below the form. */
  $('frame').parentElement.scrollIntoView({ block: 'nearest' });
  say(_('Sending'));
  $('progress').removeAttribute('value');
  try {
    job = (await (await ask('POST', '/api/jobs', request)).json()).id;
    await follow(request.prompt);
  } catch (error) {
    say(error.message, true);
  } finally {
    job = null;
    setBusy(false);
  }
}

async function cancel() {
  if (job)
    await ask('DELETE', `/api/jobs/${job}`).catch(error => say(error.message, true));
}

$('form').addEventListener('submit', event => {
  event.preventDefault();
  make();
});
$('form').addEventListener('keydown', event => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    make();
  }
});
document.addEventListener('keydown', event => {
  if (event.key === 'Escape' && busy && !$('viewer').open)
    cancel();
});
$('cancel').onclick = cancel;
$('size').onchange = () => {
  const hidden = $('size').value !== 'other';
  for (const side of ['width', 'height'])
    $(`${side}-field`).hidden = $(side).disabled = hidden;
};
$('key').onchange = () => {
  sessionStorage.setItem('key', $('key').value);
  loadModels().then(() => say('')).catch(error => say(error.message, true));
};
$('close').onclick = () => $('viewer').close();
$('viewer').onclose = () => URL.revokeObjectURL($('large').src);
$('remove').onclick = async () => {
  await withPictures('readwrite', store => store.delete(shown.id));
  $('viewer').close();
  await showGallery();
};
$('again').onclick = () => {
  const [width, height] = shown.size.split('x');
  const known = [...$('size').options].some(option => option.value === shown.size);
  $('prompt').value = shown.prompt;
  $('negative').value = shown.negative_prompt ?? '';
  $('steps').value = shown.steps;
  $('seed').value = shown.seed;
  $('guidance').value = shown.guidance_scale ?? '';
  $('size').value = known ? shown.size : 'other';
  $('size').onchange();
  $('width').value = width;
  $('height').value = height;
  $('viewer').close();
  $('prompt').focus();
};
window.addEventListener('pagehide', () => {
  if (job)
    fetch(`/api/jobs/${job}`, { method: 'DELETE', headers: headers(), keepalive: true });
});

loadModels().catch(error => say(error.message, true));
showGallery().catch(() => {
  $('no-gallery').textContent = _('This browser keeps no gallery here.');
});
