/** The listeners of a bootstrap by the names the process tells them apart by (control path): of those with one name the first counts, as in Envoy. */
import type { envoy } from '../api/envoy_types.ts';
import { addressOfMessage } from '../common/address.ts';

type Listener = envoy.config.listener.v3.Listener;

/** With the place each has in the list. */
export function staticListeners(messages: readonly Listener[]): Map<string, { index: number; message: Listener }> {
  const listeners = new Map<string, { index: number; message: Listener }>();
  for (const [index, message] of messages.entries()) {
    const name = listenerName(message);
    if (!listeners.has(name)) listeners.set(name, { index, message });
  }
  return listeners;
}

export function listenerName(listener: Listener): string {
  return listener.name || addressOfMessage(listener.address).text;
}
