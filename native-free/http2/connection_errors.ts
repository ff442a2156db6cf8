/** The ways a connection or a stream is ended for its frames; messages have their own in messages/errors.ts. */
import { ErrorCode, type Http2Error } from './codec.ts';

function make(code: ErrorCode, details: string, counter: string, reason: string): Http2Error {
  return { code, details, counter, reason };
}

/** A rule of RFC 9113 about frames was broken; Envoy has no details of its own for these. */
export function protocolError(code: ErrorCode, reason: string): Http2Error {
  return make(code, 'http2.protocol_error', '', reason);
}

const { ProtocolError, EnhanceYourCalm, CompressionError, StreamClosed, FlowControlError, FrameSizeError } = ErrorCode;

export const ERRORS = {
  preface: protocolError(ProtocolError, 'no HTTP/2 connection preface'),
  firstFrame: protocolError(ProtocolError, 'the first frame is not SETTINGS'),
  frameTooLarge: protocolError(FrameSizeError, 'frame larger than SETTINGS_MAX_FRAME_SIZE'),
  frameLength: protocolError(FrameSizeError, 'frame of a length that its type does not have'),
  streamZero: protocolError(ProtocolError, 'frame of a stream on stream 0'),
  notStreamZero: protocolError(ProtocolError, 'frame of the connection on a stream'),
  padding: protocolError(ProtocolError, 'padding longer than the payload'),
  headersExpected: protocolError(ProtocolError, 'header block interrupted by another frame'),
  continuation: protocolError(ProtocolError, 'CONTINUATION without a header block'),
  push: protocolError(ProtocolError, 'PUSH_PROMISE although push is off'),
  idleStream: protocolError(ProtocolError, 'frame on an idle stream'),
  streamId: protocolError(ProtocolError, 'stream identifier that the peer may not open'),
  selfDependency: protocolError(ProtocolError, 'stream depends on itself'),
  streamClosed: protocolError(StreamClosed, 'frame on a closed stream'),
  halfClosed: protocolError(StreamClosed, 'frame after END_STREAM'),
  dataBeforeHead: protocolError(ProtocolError, 'DATA before HEADERS'),
  windowZero: protocolError(ProtocolError, 'WINDOW_UPDATE of 0'),
  windowOverflow: protocolError(FlowControlError, 'window larger than 2^31-1'),
  windowExceeded: protocolError(FlowControlError, 'more data than the window allows'),
  compression: protocolError(CompressionError, 'header block that HPACK cannot decode'),
  settings: {
    [ProtocolError]: protocolError(ProtocolError, 'setting with a value it cannot have'),
    [FlowControlError]: protocolError(FlowControlError, 'SETTINGS_INITIAL_WINDOW_SIZE out of range'),
    [EnhanceYourCalm]: protocolError(EnhanceYourCalm, 'too many settings in one frame'),
  } as Partial<Record<ErrorCode, Http2Error>>,
  headersTooLarge: make(CompressionError, 'http2.headers_too_large', 'header_overflow', 'header block too large'),
  continuationFlood: make(
    EnhanceYourCalm,
    'http2.continuation_flood',
    'header_overflow',
    'too many CONTINUATION frames',
  ),
  resets: protocolError(ErrorCode.InternalError, 'too many RST_STREAM frames'),
  refused: make(ErrorCode.RefusedStream, 'http2.refused_stream', 'stream_refused_errors', 'too many streams'),
  /** By the peer's GOAWAY. */
  turnedAway: make(ErrorCode.RefusedStream, 'http2.goaway', '', 'stream above the last one of a GOAWAY'),
  outboundFlood: make(EnhanceYourCalm, 'http2.outbound_frames_flood', 'outbound_flood', 'too many frames queued'),
  outboundControlFlood: make(
    EnhanceYourCalm,
    'http2.outbound_control_frames_flood',
    'outbound_control_flood',
    'too many control frames queued',
  ),
  emptyFrames: make(
    EnhanceYourCalm,
    'http2.inbound_empty_frames_flood',
    'inbound_empty_frames_flood',
    'too many empty frames in a row',
  ),
  priorityFrames: make(
    EnhanceYourCalm,
    'http2.inbound_priority_frames_flood',
    'inbound_priority_frames_flood',
    'too many PRIORITY frames',
  ),
  windowUpdateFrames: make(
    EnhanceYourCalm,
    'http2.inbound_window_update_frames_flood',
    'inbound_window_update_frames_flood',
    'too many WINDOW_UPDATE frames',
  ),
};
