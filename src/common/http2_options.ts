/** `http2_protocol_options` as the codec takes them, with Envoy's defaults where the message leaves a field out; both sides. */
import type { Http2Options } from '../../native-free/http2/codec.ts';
import type { envoy } from '../api/envoy_types.ts';

type Message = envoy.config.core.v3.Http2ProtocolOptions;

const defaultStreams = 1024;
const defaultStreamWindow = 16 * 1024 * 1024;
const defaultConnectionWindow = 24 * 1024 * 1024;
/** Bytes of one stream that wait for the peer: Envoy's whole window would be a gigabyte for a thousand streams. */
const mostWaiting = 64 * 1024;
/** Control frames and their like: Envoy's guards against floods. */
const defaultOutboundFrames = 10_000;
const defaultOutboundControlFrames = 1000;

/** What the rest of the configuration has to say about a connection. */
export interface Http2Surroundings {
  /** Decoded bytes of a header list, and its fields. */
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
  /** Bytes that may wait for the peer on one stream: the buffer limit of the listener or cluster. */
  readonly bufferLimit: number;
  /** `headers_with_underscores_action`; ALLOW unless given. */
  readonly underscores?: Http2Options['headersWithUnderscores'];
  /** The word of the connection manager, where the message has none of its own that is newer. */
  readonly streamErrorOnInvalidMessage?: boolean | undefined;
}

export function http2Options(message: Message | undefined, around: Http2Surroundings): Http2Options {
  return {
    maxConcurrentStreams: message?.maxConcurrentStreams ?? defaultStreams,
    initialStreamWindowSize: message?.initialStreamWindowSize ?? defaultStreamWindow,
    initialConnectionWindowSize: message?.initialConnectionWindowSize ?? defaultConnectionWindow,
    hpackTableSize: message?.hpackTableSize ?? 4096,
    maxHeaderBytes: around.maxHeaderBytes,
    maxHeaders: around.maxHeaders,
    allowConnect: message?.allowConnect ?? false,
    streamBufferLimit: Math.min(around.bufferLimit, mostWaiting),
    headersWithUnderscores: around.underscores ?? 'ALLOW',
    streamErrorOnInvalidMessage:
      message?.overrideStreamErrorOnInvalidHttpMessage ??
      around.streamErrorOnInvalidMessage ??
      message?.streamErrorOnInvalidHttpMessaging ??
      false,
    maxOutboundFrames: message?.maxOutboundFrames ?? defaultOutboundFrames,
    maxOutboundControlFrames: message?.maxOutboundControlFrames ?? defaultOutboundControlFrames,
    maxConsecutiveInboundFramesWithEmptyPayload: message?.maxConsecutiveInboundFramesWithEmptyPayload ?? 1,
    maxInboundPriorityFramesPerStream: message?.maxInboundPriorityFramesPerStream ?? 100,
    maxInboundWindowUpdateFramesPerDataFrameSent: message?.maxInboundWindowUpdateFramesPerDataFrameSent ?? 10,
    maxHeaderFieldBytes: (message?.maxHeaderFieldSizeKb ?? 64) * 1024,
    streamResetBurst: Number(message?.streamResetBurst ?? 1000),
    streamResetRate: Number(message?.streamResetRate ?? 33),
    customSettings: (message?.customSettingsParameters ?? []).map(({ identifier, value }) => [identifier!, value!]),
  };
}

/** SETTINGS that have fields of their own (RFC 9113 section 6.5.2). */
const namedSettings = [
  [1, 'hpack_table_size', 'hpackTableSize'],
  [3, 'max_concurrent_streams', 'maxConcurrentStreams'],
  [4, 'initial_stream_window_size', 'initialStreamWindowSize'],
] as const;
const enablePush = 2;
const enableConnectProtocol = 8;

/** Tells of SETTINGS that contradict each other, in Envoy's words; `path` is relative to the message. */
export function checkHttp2Options(message: Message, error: (path: string, reason: string) => void): void {
  const field = 'custom_settings_parameters';
  const values = new Map<number, number>();
  message.customSettingsParameters.forEach(({ identifier, value }, i) => {
    if (identifier === undefined || value === undefined) return;
    if (identifier === enablePush && value !== 0) {
      error(`${field}[${i}]`, 'server push is not supported by Envoy and can not be enabled via a SETTINGS parameter.');
    } else if (identifier === enableConnectProtocol) {
      error(`${field}[${i}]`, 'the "allow_connect" SETTINGS parameter must only be configured through the named field');
    } else if ((values.get(identifier) ?? value) !== value) {
      const id = `0x${identifier.toString(16).padStart(2, '0')}`;
      error(`${field}[${i}]`, `inconsistent HTTP/2 custom SETTINGS parameter(s) detected; identifiers = {${id}}`);
    }
    values.set(identifier, value);
  });
  const twice = namedSettings.filter(([id, , name]) => values.has(id) && message[name] !== undefined);
  if (twice.length > 0) {
    const names = twice.map(([, name]) => name).join(',');
    error(
      field,
      `the {${names}} HTTP/2 SETTINGS parameter(s) can not be configured through both named and custom parameters`,
    );
  }
}
