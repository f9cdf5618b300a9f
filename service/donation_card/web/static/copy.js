/** Show the copy buttons of a transfer, and copy the value of the button that is pressed. */

/**
 * Copy with the event, which also works in a frame that may not use `navigator.clipboard`. The text is selected first, so that it
 * can be copied by hand if the browser refuses.
 * @param {HTMLButtonElement} button
 */
const copyValue = (button) => {
  const field = button.closest('div')?.querySelector('dd');
  const result = document.getElementById('copy-result');
  if (!field || !result) return;
  getSelection()?.selectAllChildren(field);
  /** @param {ClipboardEvent} event */
  const setValue = (event) => {
    event.clipboardData?.setData('text/plain', button.value);
    event.preventDefault();
  };
  addEventListener('copy', setValue);
  result.textContent = document.execCommand('copy') ? (result.dataset['copied'] ?? '') : '';
  removeEventListener('copy', setValue);
};

for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll('.copy'))) {
  button.hidden = false;
  button.addEventListener('click', () => copyValue(button));
}
