/**
 * Solve the proof of work that keeps card testers out. The giving page loads this file only if the service requires a proof.
 * The browser's own PBKDF2 does the work outside the page's main thread. Only the solution is sent.
 */

const PARALLEL_ATTEMPTS = 8; // enough to occupy every core, while the page can still draw

/**
 * Solve a challenge for one form and return the proof. Throw where the browser has no cryptography (a page without TLS).
 * @param {string} formToken @returns {Promise<string>}
 */
export const solveChallenge = async (formToken) => {
  const challenge = await fetchChallenge(formToken);
  for (let first = 0; ; first += PARALLEL_ATTEMPTS) {
    const keys = await Promise.all(Array.from({ length: PARALLEL_ATTEMPTS }, (_, n) => deriveKey(challenge.parameters, first + n)));
    const n = keys.findIndex((key) => key.startsWith(challenge.parameters.keyPrefix));
    if (n >= 0) return btoa(JSON.stringify({ challenge, solution: { counter: first + n, derivedKey: keys[n] } }));
  }
};

/** Fetch a challenge. If the network sent too many requests, wait and try again. @param {string} formToken @returns {Promise<Challenge>} */
const fetchChallenge = async (formToken) => {
  const formHash = toHex(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(formToken)));
  const send = () => fetch(`/v1/challenge?form_hash=${formHash}`);
  let response = await send();
  for (let tries = 1; response.status === 429 && tries < 10; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 1000 * Number(response.headers.get('retry-after'))));
    response = await send();
  }
  return response.json();
};

/**
 * Derive the key of one counter: PBKDF2, whose password is the challenge's nonce followed by the counter (32 bits).
 * @param {Challenge['parameters']} parameters @param {number} counter
 */
const deriveKey = async ({ nonce, salt, cost }, counter) => {
  const password = new Uint8Array([...fromHex(nonce), 0, 0, 0, 0]);
  new DataView(password.buffer).setUint32(password.length - 4, counter);
  const key = await crypto.subtle.importKey('raw', password, 'PBKDF2', false, ['deriveBits']);
  return toHex(await crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt: fromHex(salt), iterations: cost }, key, 256));
};

/** @param {ArrayBuffer} buffer */
const toHex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** @param {string} text */
const fromHex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
