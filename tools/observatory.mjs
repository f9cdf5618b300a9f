/**
 * MDN's HTTP Observatory over answers that were captured before, as JSON on standard input: its own tests and scores, without
 * its network. Input: [{url, status, headers, body, preflight}]; output: [{url, score, grade, tests: {name: {pass, result}}}].
 */

import { existsSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';

const observatory = new URL('node_modules/@mdn/mdn-http-observatory/', import.meta.url);
// Its installer would load the list of preloaded hosts from the internet; with none in it every host is judged by its headers.
const preload = new URL('conf/hsts-preload.json', observatory);
if (!existsSync(preload)) writeFileSync(preload, '{}');

const { ALL_TESTS } = await import(new URL('src/constants.js', observatory));
const { Requests } = await import(new URL('src/types.js', observatory));
const { MINIMUM_SCORE_FOR_EXTRA_CREDIT } = await import(new URL('src/grader/charts.js', observatory));
const { getGradeForScore, getScoreModifier } = await import(new URL('src/grader/grader.js', observatory));
const { AxiosHeaders } = await import(new URL('node_modules/axios/index.js', import.meta.url));

const answer = (status, headers) => ({ status, headers: new AxiosHeaders(headers), request: { headers: new AxiosHeaders() }, verified: true });

const judged = ({ url, status, headers, body, preflight }) => {
  const address = new URL(url);
  const requests = new Requests(address.hostname);
  requests.session = { url: address, jar: undefined };
  requests.resources.path = body;
  Object.assign(requests.responses, {
    auto: { ...answer(status, headers), httpEquiv: new Map() },
    https: answer(status, headers),
    http: answer(301, { location: url }),
    cors: answer(preflight.status, preflight.headers),
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

process.stdout.write(JSON.stringify(JSON.parse(await text(process.stdin)).map(judged)));
