/** Step 2 of reading: what can be wrong with a frame by its header alone (RFC 9113 sections 4.2 and 6). */
import type { Http2Error } from './codec.ts';
import { ERRORS } from './connection_errors.ts';
import { Flag, FrameType, MAX_FRAME_SIZE } from './frames/frame.ts';
import { GOAWAY_LENGTH } from './frames/goaway.ts';
import { PING_LENGTH } from './frames/ping.ts';
import { PRIORITY_LENGTH } from './frames/priority.ts';
import { RST_STREAM_LENGTH } from './frames/rst_stream.ts';
import { SETTING_LENGTH } from './frames/settings.ts';
import { WINDOW_UPDATE_LENGTH } from './frames/window_update.ts';

/** `blockStreamId`: the stream whose header block has begun and not ended, else 0. All of these end the connection. */
export function judgeFrame(
  type: number,
  flags: number,
  streamId: number,
  length: number,
  blockStreamId: number,
): Http2Error | undefined {
  if (length > MAX_FRAME_SIZE) return ERRORS.frameTooLarge;
  if (blockStreamId !== 0) {
    if (type !== FrameType.Continuation || streamId !== blockStreamId) return ERRORS.headersExpected;
  } else if (type === FrameType.Continuation) {
    return ERRORS.continuation;
  }
  switch (type) {
    case FrameType.Data:
    case FrameType.Headers:
      return streamId === 0 ? ERRORS.streamZero : undefined;
    case FrameType.Priority:
      return ofStream(streamId, length === PRIORITY_LENGTH);
    case FrameType.RstStream:
      return ofStream(streamId, length === RST_STREAM_LENGTH);
    case FrameType.WindowUpdate:
      return length === WINDOW_UPDATE_LENGTH ? undefined : ERRORS.frameLength;
    case FrameType.Settings:
      return ofConnection(streamId, (flags & Flag.Ack) !== 0 ? length === 0 : length % SETTING_LENGTH === 0);
    case FrameType.Ping:
      return ofConnection(streamId, length === PING_LENGTH);
    case FrameType.GoAway:
      return ofConnection(streamId, length >= GOAWAY_LENGTH);
    case FrameType.PushPromise:
      return ERRORS.push;
    default:
      return undefined;
  }
}

function ofStream(streamId: number, length: boolean): Http2Error | undefined {
  if (streamId === 0) return ERRORS.streamZero;
  return length ? undefined : ERRORS.frameLength;
}

function ofConnection(streamId: number, length: boolean): Http2Error | undefined {
  if (streamId !== 0) return ERRORS.notStreamZero;
  return length ? undefined : ERRORS.frameLength;
}

/** The peer's first frame: SETTINGS (RFC 9113 section 3.4). */
export function judgeFirst(type: number, flags: number, streamId: number, length: number): Http2Error | undefined {
  if (type !== FrameType.Settings || (flags & Flag.Ack) !== 0) return ERRORS.firstFrame;
  return judgeFrame(type, flags, streamId, length, 0);
}
