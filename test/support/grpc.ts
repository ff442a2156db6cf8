/** Real gRPC peers on @grpc/grpc-js: a server whose methods a test writes, and a client; messages are bytes. */
import grpc from '@grpc/grpc-js';

const same = (bytes: Buffer): Buffer => bytes;

function method(name: string, requestStream: boolean, responseStream: boolean) {
  return {
    path: `/test.Echo/${name}`,
    requestStream,
    responseStream,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}

/** The service of these tests: a method of each kind. */
const echo = {
  Unary: method('Unary', false, false),
  Upload: method('Upload', true, false),
  Download: method('Download', false, true),
  Chat: method('Chat', true, true),
};

export interface EchoMethods {
  Unary?: grpc.handleUnaryCall<Buffer, Buffer>;
  Upload?: grpc.handleClientStreamingCall<Buffer, Buffer>;
  Download?: grpc.handleServerStreamingCall<Buffer, Buffer>;
  Chat?: grpc.handleBidiStreamingCall<Buffer, Buffer>;
}

export interface GrpcServer {
  readonly port: number;
  /** Replaces the methods from the next call on. */
  methods: EchoMethods;
  close(): void;
}

/** Echoes unless told otherwise. */
const echoMethods: Required<EchoMethods> = {
  Unary: (call, done) => done(null, call.request),
  Upload: (call, done) => {
    let messages = 0;
    call.on('data', () => messages++);
    call.on('end', () => done(null, Buffer.from(String(messages))));
  },
  Download: (call) => {
    for (let i = 0; i < Number(call.request); i++) call.write(Buffer.from(`message ${i}`));
    call.end();
  },
  Chat: (call) => {
    call.on('data', (message) => call.write(message));
    call.on('end', () => call.end());
  },
};

export async function startGrpcServer(
  methods: EchoMethods = {},
  options: grpc.ServerOptions = {},
): Promise<GrpcServer> {
  const server = new grpc.Server(options);
  const running = { port: 0, methods, close: () => server.forceShutdown() };
  const chosen = <N extends keyof EchoMethods>(name: N) => running.methods[name] ?? echoMethods[name];
  server.addService(echo as unknown as grpc.ServiceDefinition, {
    Unary: (...args: Parameters<Required<EchoMethods>['Unary']>) => chosen('Unary')(...args),
    Upload: (...args: Parameters<Required<EchoMethods>['Upload']>) => chosen('Upload')(...args),
    Download: (...args: Parameters<Required<EchoMethods>['Download']>) => chosen('Download')(...args),
    Chat: (...args: Parameters<Required<EchoMethods>['Chat']>) => chosen('Chat')(...args),
  });
  running.port = await listen(server);
  return running;
}

/** Binds a server to a free port. */
export function listen(server: grpc.Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });
}

export interface UnaryAnswer {
  error: grpc.ServiceError | null;
  message: Buffer | undefined;
  /** Initial metadata. */
  metadata: grpc.Metadata | undefined;
  status: grpc.StatusObject;
}

export class GrpcClient {
  readonly client: grpc.Client;

  constructor(port: number, options: grpc.ClientOptions = {}, credentials = grpc.credentials.createInsecure()) {
    this.client = new grpc.Client(`127.0.0.1:${port}`, credentials, options);
  }

  close(): void {
    this.client.close();
  }

  /** Resolves with whatever became of the call. */
  unary(
    message: string | Buffer,
    metadata = new grpc.Metadata(),
    options: grpc.CallOptions = {},
    path = '/test.Echo/Unary',
  ): Promise<UnaryAnswer> {
    return new Promise((resolve) => {
      const answer: Partial<UnaryAnswer> = {};
      const finish = () => {
        if (answer.status !== undefined && answer.error !== undefined) resolve(answer as UnaryAnswer);
      };
      const call = this.client.makeUnaryRequest(
        path,
        same,
        same,
        Buffer.from(message),
        metadata,
        options,
        (error, reply) => {
          answer.error = error;
          answer.message = reply;
          finish();
        },
      );
      call.on('metadata', (initial) => {
        answer.metadata = initial;
      });
      call.on('status', (status) => {
        answer.status = status;
        finish();
      });
    });
  }

  upload(done: (error: grpc.ServiceError | null, message?: Buffer) => void): grpc.ClientWritableStream<Buffer> {
    return this.client.makeClientStreamRequest('/test.Echo/Upload', same, same, new grpc.Metadata(), {}, done);
  }

  download(message: string, options: grpc.CallOptions = {}): grpc.ClientReadableStream<Buffer> {
    return this.client.makeServerStreamRequest('/test.Echo/Download', same, same, Buffer.from(message), options);
  }

  chat(options: grpc.CallOptions = {}): grpc.ClientDuplexStream<Buffer, Buffer> {
    return this.client.makeBidiStreamRequest('/test.Echo/Chat', same, same, options);
  }
}

/** Resolves with all messages and the status of a stream. */
export function collect(
  stream: grpc.ClientReadableStream<Buffer> | grpc.ClientDuplexStream<Buffer, Buffer>,
): Promise<{ messages: string[]; status: grpc.StatusObject }> {
  return new Promise((resolve) => {
    const messages: string[] = [];
    stream.on('data', (message: Buffer) => messages.push(message.toString()));
    stream.on('error', () => {});
    stream.on('status', (status: grpc.StatusObject) => resolve({ messages, status }));
  });
}
