/**
 * Run the tests of MDN's HTTP Observatory on recorded responses, without a network.
 * Standard input: [{url, status, headers, body, preflight}]. Output: [{url, score, grade, tests: {name: {pass, result}}}].
 */

import { existsSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';

const observatory = new URL('node_modules/@mdn/mdn-http-observatory/', import.meta.url);
// The package's install script downloads the HSTS preload list. With an empty list, the headers of each host decide.
const preload = new URL('conf/hsts-preload.json', observatory);
if (!existsSync(preload)) writeFileSync(preload, '{}');

const { ALL_TESTS } = await import(new URL('src/constants.js', observatory));
const { Requests } = await import(new URL('src/types.js', observatory));
const { MINIMUM_SCORE_FOR_EXTRA_CREDIT } = await import(new URL('src/grader/charts.js', observatory));
const { getGradeForScore, getScoreModifier } = await import(new URL('src/grader/grader.js', observatory));
const { AxiosHeaders } = await import(new URL('node_modules/axios/index.js', import.meta.url));

const response = (status, headers) => ({ status, headers: new AxiosHeaders(headers), request: { headers: new AxiosHeaders() }, verified: true });

const evaluate = ({ url, status, headers, body, preflight }) => {
  const address = new URL(url);
  const requests = new Requests(address.hostname);
  requests.session = { url: address, jar: undefined };
  requests.resources.path = body;
  Object.assign(requests.responses, {
    auto: { ...response(status, headers), httpEquiv: new Map() },
    https: response(status, headers),
    http: response(301, { location: url }),
    cors: response(preflight.status, preflight.headers),
    httpRedirects: [{ url: new URL(url.replace('https:', 'http:')), status: 301 }, { url: address, status }],
    httpsRedirects: [{ url: address, status }],
  });
  const outputs = ALL_TESTS.map((test) => test(requests));
  const modifiers = outputs.map(({ result }) => getScoreModifier(result));
  const sum = (numbers) => numbers.reduce((total, number) => total + number, 100);
  const plain = sum(modifiers.filter((modifier) => modifier < 0));
  const { score, grade } = getGradeForScore(plain >= MINIMUM_SCORE_FOR_EXTRA_CREDIT ? sum(modifiers) : plain);
  const tests = outputs.map((output) => [output.constructor.name, { pass: output.pass, result: output.result }]);
  return { url, score, grade, tests: Object.fromEntries(tests) };
};

process.stdout.write(JSON.stringify(JSON.parse(await text(process.stdin)).map(evaluate)));
