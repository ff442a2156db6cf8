/** Request decoding over time: pausing, upgrades, refusal and idleness. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventRecorder, REQUEST_OPTIONS, toBytes } from '../../test/support/http1_events.ts';
import { Http1RequestDecoder } from './request_decoder.ts';

function get(...fields: string[]): string {
  return ['GET / HTTP/1.1', 'Host: h', ...fields, '', ''].join('\r\n');
}

function chunked(body: string): string {
  return `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${body}`;
}

function ok(fields = ''): string[] {
  return [`GET / h HTTP/1.1 none -1 keep ${fields}`.trimEnd(), 'complete'];
}

test('a pause stops the decoder behind the message, and the rest is decoded later', () => {
  const recorder = new EventRecorder();
  const decoder = new Http1RequestDecoder(recorder, REQUEST_OPTIONS);
  const pausing = recorder.onRequestHead.bind(recorder);
  recorder.onRequestHead = (...head): void => {
    pausing(...head);
    decoder.paused = true;
  };
  const bytes = toBytes(get() + get('A: b'));
  const taken = decoder.decode(bytes, 0, bytes.length);
  assert.deepEqual([taken, recorder.lines], [get().length, ok()]);
  assert.equal(decoder.idle, true);
  assert.equal(decoder.decode(bytes, taken, bytes.length), 0);
  decoder.paused = false;
  assert.equal(decoder.decode(bytes, taken, bytes.length), bytes.length - taken);
  assert.deepEqual(recorder.lines, [...ok(), ...ok('a=b')]);
});

test('a pause inside a body keeps the rest with the caller', () => {
  for (const input of [`${get('Content-Length: 4')}abcd${get()}`, chunked(`2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n${get()}`)]) {
    const recorder = new EventRecorder();
    const decoder = new Http1RequestDecoder(recorder, REQUEST_OPTIONS);
    const telling = recorder.onBody.bind(recorder);
    recorder.onBody = (...piece): void => {
      telling(...piece);
      decoder.paused = true;
    };
    const bytes = toBytes(input);
    let taken = decoder.decode(bytes, 0, bytes.length);
    for (let turns = 0; taken < bytes.length; turns++) {
      assert.ok(decoder.paused && turns < 3);
      decoder.paused = false;
      taken += decoder.decode(bytes, taken, bytes.length);
    }
    assert.deepEqual(recorder.lines.slice(1), ['body abcd', 'complete', ...ok()]);
  }
});

test('an upgrade hands on every later byte', () => {
  for (const when of ['at the head', 'later'] as const) {
    const recorder = new EventRecorder();
    const decoder = new Http1RequestDecoder(recorder, REQUEST_OPTIONS);
    const telling = recorder.onRequestHead.bind(recorder);
    recorder.onRequestHead = (...head): void => {
      telling(...head);
      if (when === 'at the head') decoder.startUpgrade();
      else decoder.paused = true;
    };
    const bytes = toBytes(`CONNECT a:80 HTTP/1.1\r\nHost: h\r\n\r\nGET / early`);
    const taken = decoder.decode(bytes, 0, bytes.length);
    if (when === 'later') {
      decoder.startUpgrade();
      decoder.paused = false;
      decoder.decode(bytes, taken, bytes.length);
    }
    decoder.finish();
    recorder.flush();
    const complete = when === 'later' ? ['complete'] : [];
    assert.deepEqual(recorder.lines, ['CONNECT  a:80 HTTP/1.1 none -1 keep', ...complete, 'body GET / early']);
  }
});

test('a refused decoder takes nothing more', () => {
  const recorder = new EventRecorder();
  const decoder = new Http1RequestDecoder(recorder, REQUEST_OPTIONS);
  const bytes = toBytes('x');
  assert.equal(decoder.decode(bytes, 0, 1), 0);
  assert.equal(decoder.failed, true);
  assert.equal(decoder.decode(bytes, 0, 1), 0);
  decoder.finish();
  assert.deepEqual(recorder.lines, ['error 400 http1.codec_error']);
});

test('idle tells whether a next message has begun', () => {
  const decoder = new Http1RequestDecoder(new EventRecorder(), REQUEST_OPTIONS);
  const seen: boolean[] = [];
  for (const part of ['\r\n', 'G', 'ET / HTTP/1.1\r\n', '\r', '\n']) {
    decoder.decode(toBytes(part), 0, part.length);
    seen.push(decoder.idle);
  }
  assert.deepEqual(seen, [true, false, false, false, true]);
});

test('an upgrade is told by name; what is none, or h2c, is not', () => {
  const cases: [string, string][] = [
    [get('Connection: keep-alive, Upgrade', 'Upgrade: WebSocket'), 'WebSocket'],
    ['CONNECT a:80 HTTP/1.1\r\nHost: h\r\n\r\n', 'CONNECT'],
    [get('Upgrade: websocket'), ''],
    [get('Connection: upgrade'), ''],
    [get('Connection: upgrade-insecure', 'Upgrade: websocket'), ''],
    [get('Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: a'), ''],
    [get('Connection: Upgrade', 'Upgrade:'), ' '],
    ['GET / HTTP/1.0\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n', ''],
  ];
  for (const [input, upgrade] of cases) {
    const recorder = new EventRecorder();
    const decoder = new Http1RequestDecoder(recorder, { ...REQUEST_OPTIONS, acceptHttp10: true });
    decoder.decode(toBytes(input), 0, input.length);
    assert.equal(decoder.upgrade, upgrade, input);
  }
});

test('behind an upgrade a declared body is not looked at', () => {
  for (const field of ['Content-Length: 3', 'Transfer-Encoding: chunked']) {
    const recorder = new EventRecorder();
    const decoder = new Http1RequestDecoder(recorder, REQUEST_OPTIONS);
    const telling = recorder.onRequestHead.bind(recorder);
    recorder.onRequestHead = (...head): void => {
      telling(...head);
      decoder.startUpgrade();
    };
    const bytes = toBytes(`${get('Connection: upgrade', 'Upgrade: x', field)}3\r\nabc\r\n0\r\n\r\nGET`);
    assert.equal(decoder.decode(bytes, 0, bytes.length), bytes.length);
    recorder.flush();
    assert.deepEqual(recorder.lines.slice(1), ['body 3\r\nabc\r\n0\r\n\r\nGET']);
  }
});
