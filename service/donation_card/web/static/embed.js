/** The snippet generator with JavaScript: every choice is shown at once, and copied with one press. */

/** @template {HTMLElement} T @param {string} id @param {new () => T} kind @returns {T} */
const part = (id, kind) => {
  const element = document.getElementById(id);
  if (element instanceof kind) return element;
  throw new Error(`no ${kind.name} #${id}`);
};

const form = part('choices', HTMLFormElement);
const code = part('code', HTMLTextAreaElement);
const preview = part('preview', HTMLIFrameElement);
const copy = part('copy', HTMLButtonElement);
const copied = part('copied', HTMLElement);
let newest = 0;

form.addEventListener('change', async () => {
  const asked = ++newest;
  const query = new URLSearchParams(/** @type {any} */ (new FormData(form)));
  const answer = await fetch(`?${query}`, { headers: { Accept: 'application/json' } });
  const printed = await answer.json();
  if (asked !== newest || !answer.ok) return;
  code.value = printed.code;
  part('policy', HTMLElement).textContent = printed.policy;
  part('policy-part', HTMLElement).hidden = !printed.policy;
  copied.textContent = '';
  preview.src = printed.preview;
});

addEventListener('message', ({ source, origin, data }) => {
  if (source !== preview.contentWindow || origin !== location.origin || data?.type !== 'donation-card:height') return;
  preview.height = `${data.height}`;
  preview.contentWindow?.postMessage({ type: 'donation-card:grows' }, location.origin);
});

copy.addEventListener('click', async () => {
  code.select();
  try {
    await navigator.clipboard.writeText(code.value);
    copied.textContent = copied.dataset['copied'] ?? '';
  } catch {
    copied.textContent = ''; // it is selected: the keys do the rest
  }
});

part('show', HTMLElement).hidden = true;
copy.hidden = false;
