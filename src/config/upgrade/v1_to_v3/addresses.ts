/** v1's addresses as URLs, `tcp://10.0.0.1:80`, → v3 (control path, step 1). */
import { describe, type MapNode, type SourceNode } from '../../source_tree.ts';
import type { UpgradeContext } from '../context.ts';
import { map, scalar } from '../edit.ts';

/** Undefined (and reported) when it is no such URL. */
export function addressOf(node: SourceNode, context: UpgradeContext): MapNode | undefined {
  const text = node.kind === 'scalar' && typeof node.value === 'string' ? node.value : undefined;
  if (text?.startsWith('unix://')) return map({ pipe: map({ path: text.slice('unix://'.length) }, node) }, node);
  const parts = /^(tcp|udp):\/\/(?:\[([^\]]+)\]|([^:/]*)):(\d+)\/?$/.exec(text ?? '');
  const port = Number(parts?.[4]);
  if (parts === null || port > 65_535) {
    context.error(node, `expected an address such as tcp://10.0.0.1:80 or unix:///path, got ${describe(node)}`);
    return undefined;
  }
  const protocol = parts[1] === 'udp' ? 'UDP' : undefined;
  return socketAddress(scalar(parts[2] ?? parts[3], node), port, protocol, node);
}

/** `10.0.0.1:53`, as name servers are written. */
export function ipPortOf(node: SourceNode, context: UpgradeContext): MapNode | undefined {
  const text = node.kind === 'scalar' ? String(node.value) : '';
  return addressOf(text.includes('://') ? node : { ...scalar(`tcp://${text}`, node) }, context);
}

function socketAddress(host: SourceNode, port: number, protocol: string | undefined, at: SourceNode): MapNode {
  return map({ socket_address: map({ protocol, address: host, port_value: port }, at) }, at);
}
