/** The gRPC server of the bench: every call gets the message it sent, over our own HTTP/2 codec; started as a process of its own. */
import net from 'node:net';
import { HeaderMap } from '../../native-free/headers/header_map.ts';
import { CONTENT_TYPE, GRPC_STATUS } from '../../native-free/headers/well_known.ts';
import type { Http2ServerEvents, Http2Stream } from '../../native-free/http2/codec.ts';
import { ServerCodec } from '../../native-free/http2/server_codec.ts';
import { OPTIONS } from '../../test/support/http2_peers.ts';

const options = {
  ...OPTIONS,
  maxConcurrentStreams: 1024,
  initialStreamWindowSize: 1 << 20,
  initialConnectionWindowSize: 16 << 20,
  maxOutboundFrames: 1_000_000,
  maxOutboundControlFrames: 1_000_000,
};

const head = new HeaderMap();
head.add(CONTENT_TYPE, 'application/grpc');
const trailers = new HeaderMap();
trailers.add(GRPC_STATUS, '0');
const nothing = () => {};

function answer(stream: Http2Stream): void {
  stream.sendResponse({ status: 200, protocol: 'HTTP/2', headers: head.clone() }, false);
}

/** Serves one connection. */
function serve(socket: net.Socket): void {
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  let scheduled = false;
  const flush = () => {
    scheduled = false;
    const pieces: Buffer[] = [];
    codec.flush((bytes, start, end) => pieces.push(Buffer.from(bytes.subarray(start, end))) > 0);
    if (pieces.length > 0) socket.write(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces));
  };
  const events: Http2ServerEvents = {
    onRequest: (stream) => {
      stream.receiver = {
        onData: (bytes, start, end, endStream) => {
          answer(stream);
          stream.sendData(bytes, start, end, false);
          if (endStream) stream.sendTrailers(trailers.clone());
        },
        onTrailers: nothing,
        onReset: nothing,
        onBlocked: nothing,
        onWritable: nothing,
        onComplete: nothing,
      };
    },
    onRequestRefused: nothing,
    onConnectionError: () => socket.destroy(),
    onOutput: () => {
      if (scheduled) return;
      scheduled = true;
      setImmediate(flush);
    },
    onSettings: nothing,
    onGoAway: nothing,
    onPingAck: nothing,
    onIdle: nothing,
    onCount: nothing,
  };
  const codec = new ServerCodec(events, options);
  socket.on('data', (bytes: Buffer) => codec.receive(bytes, 0, bytes.length));
  socket.on('close', () => codec.close());
}

const server = net.createServer(serve).listen(0, '127.0.0.1', () => {
  process.send?.((server.address() as net.AddressInfo).port);
});
process.on('disconnect', () => process.exit());
