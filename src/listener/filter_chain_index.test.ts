import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { messageType } from '../api/registry.ts';
import { ipAddress, pipeAddress } from '../common/address.ts';
import { testConnection } from '../common/formatter/test_context.ts';
import { FilterChainIndex } from './filter_chain_index.ts';

type Match = Record<string, unknown>;
const schema = messageType('envoy.config.listener.v3.FilterChainMatch');
const range = (addressPrefix: string, prefixLen: number) => ({ addressPrefix, prefixLen });

function index(chains: Record<string, Match | undefined>): FilterChainIndex<string> {
  const found = new FilterChainIndex<string>();
  for (const [name, match] of Object.entries(chains)) found.add(match && (create(schema, match) as never), name);
  return found;
}

interface Asked {
  local?: [string, number];
  remote?: [string, number];
  direct?: [string, number];
  name?: string;
  transport?: string;
  protocols?: string[];
}

function ask(chains: FilterChainIndex<string>, asked: Asked): string | undefined {
  const { local = ['10.0.0.1', 443], remote = ['192.0.2.1', 5000], direct = remote } = asked;
  return chains.find({
    ...testConnection(),
    localAddress: ipAddress(...local),
    remoteAddress: ipAddress(...remote),
    directRemoteAddress: ipAddress(...direct),
    requestedServerName: asked.name ?? '',
    detectedTransportProtocol: asked.transport ?? 'raw_buffer',
    requestedApplicationProtocols: asked.protocols ?? [],
  });
}

test('a chain without criteria takes everything, UNIX sockets too', () => {
  const chains = index({ any: undefined });
  assert.equal(ask(chains, {}), 'any');
  assert.equal(
    chains.find({ ...testConnection(), localAddress: pipeAddress('/s'), remoteAddress: pipeAddress('/s') }),
    'any',
  );
  assert.equal(ask(index({}), {}), undefined);
});

test('server names: exact, then the longest wildcard, then none; case does not count', () => {
  const chains = index({
    exact: { serverNames: ['WWW.example.com', 'other.test'] },
    long: { serverNames: ['*.example.com'] },
    short: { serverNames: ['*.com'] },
    none: {},
  });
  const names = {
    'www.example.com': 'exact',
    'other.test': 'exact',
    'a.example.com': 'long',
    'a.b.example.com': 'long',
    'example.com': 'short',
    'x.com': 'short',
    com: 'none',
    '': 'none',
    'x.org': 'none',

    'a.com.': 'none',
  };
  for (const [name, chain] of Object.entries(names)) assert.equal(ask(chains, { name }), chain, name);
});

test('criteria come in order, the first decides, and there is no way back', () => {
  const chains = index({
    port: { destinationPort: 8443, serverNames: ['a.test'] },
    range: { prefixRanges: [range('10.0.0.0', 8)], applicationProtocols: ['h2'] },
    wider: { prefixRanges: [range('0.0.0.0', 0)] },
  });
  assert.equal(ask(chains, { local: ['10.0.0.1', 8443], name: 'a.test' }), 'port');
  assert.equal(ask(chains, { local: ['10.0.0.1', 8443], name: 'b.test' }), undefined, 'the port is the chain’s alone');
  assert.equal(ask(chains, { protocols: ['http/1.1', 'h2'] }), 'range');
  assert.equal(ask(chains, {}), undefined, 'the narrower range decided');
  assert.equal(ask(chains, { local: ['11.0.0.1', 1] }), 'wider');
});

test('transport and application protocols', () => {
  const chains = index({
    h2: { transportProtocol: 'tls', applicationProtocols: ['h2'] },
    tls: { transportProtocol: 'tls' },
    raw: { transportProtocol: 'raw_buffer' },
  });
  assert.equal(ask(chains, { transport: 'tls', protocols: ['http/1.1', 'h2'] }), 'h2');
  assert.equal(ask(chains, { transport: 'tls', protocols: ['http/1.1'] }), 'tls');
  assert.equal(ask(chains, {}), 'raw');
  assert.equal(ask(chains, { transport: 'quic' }), undefined);
});

test('where the client is: the peer, its kind, its address and its port', () => {
  const chains = index({
    proxy: { directSourcePrefixRanges: [range('172.16.0.0', 12)] },
    local: { sourceType: 1 },
    external: { sourceType: 2, sourcePrefixRanges: [range('192.0.2.0', 24)], sourcePorts: [7, 8] },
    others: { sourceType: 2, sourcePrefixRanges: [range('192.0.2.0', 24)] },
  });
  assert.equal(ask(chains, { direct: ['172.16.1.1', 1], remote: ['127.0.0.1', 1] }), 'proxy');
  assert.equal(ask(chains, { remote: ['127.0.0.1', 1] }), 'local');
  assert.equal(ask(chains, { remote: ['10.0.0.1', 1] }), 'local', 'the same address at both ends');
  assert.equal(ask(chains, { remote: ['192.0.2.9', 7] }), 'external');
  assert.equal(ask(chains, { remote: ['192.0.2.9', 9] }), 'others');
  assert.equal(ask(chains, { remote: ['198.51.100.1', 9] }), undefined);
});

test('ten thousand names cost no more than one', () => {
  const chains = index(
    Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`chain ${i}`, { serverNames: [`n${i}.test`] }])),
  );
  assert.equal(ask(chains, { name: 'n9999.test' }), 'chain 9999');
});
