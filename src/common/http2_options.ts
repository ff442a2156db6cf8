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
  };
}
