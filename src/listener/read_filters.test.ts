import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testConnection } from '../common/formatter/test_context.ts';
import type { Connection, ConnectionCallbacks } from '../net/connection.ts';
import { NetworkFilterStatus, type ReadFilter, type ReadFilterCallbacks } from '../spi/network_filter.ts';
import type { FilterChain } from './filter_chain.ts';
import { ReadFilters } from './read_filters.ts';

const { Continue, StopIteration } = NetworkFilterStatus;

/** As much of a connection as the filters use; what is given back comes again with `redeliver()`. */
class FakeConnection {
  callbacks: ConnectionCallbacks = { onData() {}, onEnd() {}, onBlocked() {}, onWritable() {}, onClosed() {} };
  bufferLimit = 8;
  isClosing = false;
  paused = 0;
  given = '';
  unread(bytes: Buffer): void {
    this.given += bytes.toString();
  }
  redeliver(): void {
    const bytes = Buffer.from(this.given);
    this.given = '';
    this.callbacks.onData(bytes, 0, bytes.length);
  }
  send(text: string): void {
    this.callbacks.onData(Buffer.from(`<<${text}>>`), 2, 2 + text.length);
  }
  pauseReading(): void {
    this.paused++;
  }
  resumeReading(): void {
    this.paused--;
  }
  closeNow(): void {
    this.isClosing = true;
  }
}

function run(...makers: ((callbacks: ReadFilterCallbacks) => ReadFilter)[]) {
  const connection = new FakeConnection();
  const seen: string[] = [];
  let gone = 0;
  let handOver: ConnectionCallbacks | undefined;
  const last: ConnectionCallbacks = {
    onData: (bytes, start, end) => void seen.push(bytes.toString('latin1', start, end)),
    onEnd: () => void seen.push('end'),
    onConnected: () => void seen.push('secure'),
    onBlocked: () => void seen.push('blocked'),
    onWritable: () => void seen.push('writable'),
    onClosed: () => {},
  };
  const chain = {
    filters: makers,
    taker: {
      accept(accepted: Connection, _info: unknown, onGone: () => void) {
        seen.push('accepted');
        const onData: ConnectionCallbacks['onData'] = (...piece) => {
          if (handOver === undefined) last.onData(...piece);
          else accepted.callbacks = handOver;
        };
        accepted.callbacks = { ...last, onData, onClosed: onGone };
      },
      drain() {},
      close() {},
    },
  };
  const filters = new ReadFilters(
    chain as unknown as FilterChain,
    connection as unknown as Connection,
    testConnection(),
    () => gone++,
  );
  filters.start();
  const hand = (other: ConnectionCallbacks) => {
    handOver = other;
  };
  return { connection, seen, last, hand, gone: () => gone };
}

test('filters without an interest in bytes leave the connection to the last one', () => {
  let closed = 0;
  const { connection, seen, gone } = run(() => ({ onNewConnection: () => Continue, onClosed: () => closed++ }));
  assert.deepEqual(seen, ['accepted']);
  connection.send('hi');
  assert.deepEqual(seen, ['accepted', 'hi']);
  connection.callbacks.onClosed(false, '');
  assert.deepEqual([closed, gone()], [1, 1]);
});

test('a filter that stops keeps the bytes, and the client at bay, until it continues', () => {
  let callbacks!: ReadFilterCallbacks;
  const { connection, seen } = run((given) => {
    callbacks = given;
    return { onNewConnection: () => StopIteration };
  });
  connection.send('12345');
  connection.send('67890');
  assert.deepEqual([seen, connection.paused], [[], 1]);
  callbacks.continueReading();
  assert.deepEqual([seen, connection.paused, connection.given], [['accepted'], 0, '1234567890']);
  connection.redeliver();
  assert.deepEqual(seen, ['accepted', '1234567890']);
});

test('a filter that looks at bytes gets all that was not passed on, each byte until it lets it go', () => {
  const looked: string[] = [];
  const { connection, seen } = run(() => ({
    onNewConnection: () => Continue,
    onData(bytes, start, end) {
      const text = bytes.toString('latin1', start, end);
      looked.push(text);
      return text.endsWith('\n') ? Continue : StopIteration;
    },
  }));
  connection.send('one');
  connection.send(' two\n');
  connection.send('three\n');
  assert.deepEqual(looked, ['one', 'one two\n', 'three\n']);
  assert.deepEqual(seen, ['accepted', 'one two\n', 'three\n']);
});

test('bytes that came before the last filter was there are not shown twice, and the end comes behind them', () => {
  const looked: string[] = [];
  let callbacks!: ReadFilterCallbacks;
  const { connection, seen } = run(
    () => ({
      onNewConnection: () => Continue,
      onData(bytes, start, end) {
        looked.push(bytes.toString('latin1', start, end));
        return Continue;
      },
    }),
    (given) => {
      callbacks = given;
      return { onNewConnection: () => StopIteration };
    },
  );
  connection.send('early');
  connection.callbacks.onEnd();
  callbacks.continueReading();
  assert.deepEqual([seen, connection.given], [['accepted'], 'early']);
  connection.redeliver();
  assert.deepEqual(seen, ['accepted', 'early', 'end']);
  assert.deepEqual(looked.at(-1), 'early');
});

test('the last filter may give the connection to another part of itself', () => {
  const { connection, seen, last } = run(() => ({ onNewConnection: () => Continue, onData: () => Continue }));
  const other = { ...last, onData: () => void seen.push('other') };
  const first = last.onData;
  last.onData = (...piece) => first(...piece);
  connection.send('first');
  connection.callbacks.onBlocked();
  connection.callbacks.onWritable();
  connection.callbacks.onConnected?.();
  assert.deepEqual(seen.splice(0), ['accepted', 'first', 'blocked', 'writable', 'secure']);
  const handing = run(
    () => ({ onNewConnection: () => Continue, onData: () => Continue }),
    () => ({ onNewConnection: () => Continue }),
  );
  handing.hand(other);
  handing.connection.send('one');
  handing.connection.send('two');
  assert.deepEqual(seen, ['other']);
});

test('a filter that closes ends everything, and every filter hears of it once', () => {
  const closed: number[] = [];
  const { connection, seen, gone } = run(
    ({ connection: own }) => ({
      onNewConnection() {
        own.closeNow();
        return StopIteration;
      },
      onClosed: () => closed.push(1),
    }),
    () => ({ onNewConnection: () => Continue, onClosed: () => closed.push(2) }),
  );
  connection.callbacks.onClosed(true, '');
  assert.deepEqual([seen, closed, gone()], [[], [1, 2], 1]);
});
