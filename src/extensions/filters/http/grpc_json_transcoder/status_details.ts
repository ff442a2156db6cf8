/** What a gRPC answer says of its failure, as google.rpc.Status in binary. */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { decodeGrpcMessage } from '../../../../../native-free/grpc/percent_encoding.ts';
import { fromWire } from '../../../../common/wire_string.ts';

/** `details` (grpc-status-details-bin) is such a message already, in base64; else it is made of code and text. */
export function statusMessage(code: number, message: string | undefined, details: string | undefined): Uint8Array {
  const given = details === undefined ? undefined : Buffer.from(details, 'base64');
  if (given !== undefined && given.length > 0) return given;
  const writer = new BinaryWriter().tag(1, WireType.Varint).int32(code);
  const text = message === undefined ? '' : fromWire(decodeGrpcMessage(message));
  if (text !== '') writer.tag(2, WireType.LengthDelimited).string(text);
  return writer.finish();
}
