/** Enhance the page with the embed code: update the code and the preview at every choice, and copy the code. */

/**
 * Return the element with this id, or throw.
 * @template {HTMLElement} T @param {string} id @param {new () => T} type @returns {T}
 */
const getElement = (id, type) => {
  const element = document.getElementById(id);
  if (element instanceof type) return element;
  throw new Error(`no ${type.name} #${id}`);
};

const form = getElement('choices', HTMLFormElement);
const code = getElement('code', HTMLTextAreaElement);
const preview = getElement('preview', HTMLIFrameElement);
const copyButton = getElement('copy', HTMLButtonElement);
const copyResult = getElement('copy-result', HTMLElement);
let requestCount = 0;

form.addEventListener('change', async () => {
  const request = ++requestCount;
  const query = new URLSearchParams(/** @type {any} */ (new FormData(form)));
  const response = await fetch(`?${query}`, { headers: { Accept: 'application/json' } });
  /** @type {EmbedCode} */
  const embed = await response.json();
  if (request !== requestCount) return;
  if (!response.ok) return void (copyResult.textContent = /** @type {any} */ (embed).detail); // too many campaigns
  code.value = embed.code;
  getElement('csp', HTMLElement).textContent = embed.policy;
  getElement('csp-section', HTMLElement).hidden = !embed.policy;
  copyResult.textContent = '';
  preview.height = '300'; // the frame keeps at least the height that it has when it loads
  preview.src = embed.preview;
});

addEventListener('message', ({ source, origin, data }) => {
  if (source !== preview.contentWindow || origin !== location.origin || data?.type !== 'donation-card:height') return;
  preview.height = `${data.height}`;
  preview.contentWindow?.postMessage({ type: 'donation-card:resizable' }, location.origin);
});

copyButton.addEventListener('click', async () => {
  code.select();
  try {
    await navigator.clipboard.writeText(code.value);
    copyResult.textContent = copyResult.dataset['copied'] ?? '';
  } catch {
    copyResult.textContent = ''; // the code is selected and can be copied with the keyboard
  }
});

getElement('show', HTMLElement).hidden = true;
copyButton.hidden = false;
