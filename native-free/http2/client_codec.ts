/** The client's side of an HTTP/2 connection: requests go out, answers come in. */
import type { Bytes } from '../bytes/bytes.ts';
import type { RequestHead } from '../headers/header_map.ts';
import {
  ErrorCode,
  type Http2ClientCodec,
  type Http2ConnectionEvents,
  type Http2Options,
  type Http2Stream,
  type Http2StreamReceiver,
} from './codec.ts';
import { Http2Connection } from './connection.ts';
import { ERRORS } from './connection_errors.ts';
import { MAX_STREAM_ID } from './frames/frame.ts';
import { SettingId } from './frames/settings.ts';
import { upgradeOf } from './messages/encode_head.ts';
import { isHttp2Error } from './messages/errors.ts';
import { ResponseReader } from './messages/response_reader.ts';
import { CLIENT_PREFACE } from './preface.ts';
import type { Stream } from './streams/stream.ts';

export class ClientCodec extends Http2Connection implements Http2ClientCodec {
  goingAway = false;
  protected readonly isClient = true;
  /** A server opens none. */
  protected readonly lastPeerStreamId = 0;
  private readonly reader: ResponseReader;
  private nextStreamId = 1;

  /** `events.onOutput` is called in here already: the preface waits. */
  constructor(events: Http2ConnectionEvents, options: Http2Options) {
    super(events, options);
    this.reader = new ResponseReader(options);
    this.sender.sendPreface(CLIENT_PREFACE);
    this.sendFirstFrames([
      [SettingId.HeaderTableSize, options.hpackTableSize],
      [SettingId.EnablePush, 0],
      [SettingId.MaxConcurrentStreams, options.maxConcurrentStreams],
      [SettingId.InitialWindowSize, options.initialStreamWindowSize],
    ]);
  }

  get peerMaxConcurrentStreams(): number {
    return Math.min(this.sender.peer.maxConcurrentStreams, this.options.maxConcurrentStreams);
  }

  open(receiver: Http2StreamReceiver, head: RequestHead, endStream: boolean): Http2Stream | undefined {
    const id = this.nextStreamId;
    if (this.failed || this.goingAway || id > MAX_STREAM_ID) return undefined;
    if (this.streams.size >= this.peerMaxConcurrentStreams) return undefined;
    this.nextStreamId = id + 2;
    const stream = this.addStream(id);
    stream.receiver = receiver;
    stream.method = head.method;
    stream.upgrade = upgradeOf(head);
    stream.headSent = true;
    this.sender.sendRequestHead(stream, head, endStream);
    return stream;
  }

  protected isIdle(streamId: number): boolean {
    return streamId >= this.nextStreamId || (streamId & 1) === 0;
  }

  protected onGoAwaySent(): void {
    this.goingAway = true;
  }

  /** Streams that the server has not looked at can be tried again elsewhere (RFC 9113 section 6.8). */
  protected onPeerGoAway(lastStreamId: number): void {
    this.goingAway = true;
    for (const stream of this.streams.values()) if (stream.id > lastStreamId) this.turnedAway(stream);
    this.afterStream();
  }

  protected onBlockWithoutStream(id: number, endStream: boolean, block: Bytes, start: number, end: number): void {
    if (this.isIdle(id)) {
      this.fail(ERRORS.streamId);
    } else if (!this.closedStreams.wasReset(id)) {
      this.fail(ERRORS.streamClosed);
    } else {
      if (endStream) this.closedStreams.peerEnded(id);
      this.decodeForNobody(block, start, end);
    }
  }

  protected onHead(stream: Stream, endStream: boolean, block: Bytes, start: number, end: number): boolean {
    if (stream.headReceived) return false;
    const { reader } = this;
    reader.begin();
    if (!this.decode(block, start, end, reader)) return true;
    const head = reader.finish(endStream, stream.method, stream.upgrade);
    if (isHttp2Error(head)) {
      this.refuseMessage(stream, head);
      return true;
    }
    const { receiver } = stream;
    if (head.status < 200 && head.status !== 101) {
      receiver?.onInformational?.(head);
      return true;
    }
    stream.headReceived = true;
    stream.remoteEnded = endStream;
    stream.contentLength = reader.contentLength;
    receiver?.onResponse?.(head, endStream);
    if (endStream) this.remoteEnded(stream);
    return true;
  }

  private turnedAway(stream: Stream): void {
    this.forget(stream);
    stream.receiver?.onReset(ErrorCode.RefusedStream, true, ERRORS.turnedAway);
  }
}
