import assert from 'node:assert/strict';
import test from 'node:test';
import type { DecodedResource } from '../subscription.ts';
import { RuntimeLayerDiscovery } from './runtime_layers.ts';

const resource = (name: string, layer: object): DecodedResource => ({
  name,
  version: '1',
  message: { name, layer } as never,
  ttl: 0,
});

function discovery() {
  const layers: object[] = [];
  let ready = 0;
  const made = new RuntimeLayerDiscovery(
    'l',
    (layer) => layers.push(layer),
    () => ready++,
  );
  return { made, layers, ready: () => ready > 0 };
}

test('a layer comes, is taken away, and nothing else is taken for it', () => {
  const { made, layers, ready } = discovery();
  assert.deepEqual(made.onConfigUpdate([resource('l', { a: 1 })]), []);
  assert.ok(ready());
  const refused = {
    resource: 'l',
    reason: 'Unexpected RTDS resource length, number of added resources 0, number of removed resources 0',
  };
  assert.deepEqual(made.onConfigUpdate([]), [refused]);
  assert.deepEqual(made.onConfigUpdate([resource('other', { a: 2 })]), [refused]);
  assert.deepEqual(made.onDeltaUpdate([], ['l']), []);
  assert.deepEqual(layers, [{ a: 1 }, {}]);
});

test('who waits for it goes on when it does not come in time, but not while the connection is tried again', () => {
  const { made, ready } = discovery();
  made.onConfigUpdateFailed('connection failure');
  assert.equal(ready(), false);
  made.onConfigUpdateFailed('fetch timed out');
  assert.ok(ready());
});
