import assert from 'node:assert/strict';
import test from 'node:test';
import { fromJson } from '@bufbuild/protobuf';
import { messageType, registry } from '../api/registry.ts';
import { checkHttpManager } from './check_http_manager.ts';
import type { Report } from './report.ts';

const name = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

function problems(json: object): string[] {
  const found: string[] = [];
  const report = { errorIn: (_: unknown, path: string, reason: string) => found.push(`${path}: ${reason}`) };
  checkHttpManager(fromJson(messageType(name), json as never, { registry }) as never, report as unknown as Report);
  return found;
}

const extension = (type: string) => ({ name: 'x', typedConfig: { '@type': `t/envoy.extensions.${type}` } });
const xff = extension('http.original_ip_detection.xff.v3.XffConfig');
const uuid = extension('request_id.uuid.v3.UuidRequestIdConfig');

test('extensions of the right kind are taken', () => {
  const mutation = extension('http.early_header_mutation.header_mutation.v3.HeaderMutation');
  assert.deepEqual(
    problems({
      originalIpDetectionExtensions: [xff],
      earlyHeaderMutationExtensions: [mutation],
      requestIdExtension: { typedConfig: uuid.typedConfig },
    }),
    [],
  );
});

test('one that belongs elsewhere is refused where it stands', () => {
  assert.deepEqual(problems({ earlyHeaderMutationExtensions: [xff] }), [
    'early_header_mutation_extensions[0]: envoy.http.original_ip_detection.xff is not an extension for this place',
  ]);
});

test('ways to find the client do not mix', () => {
  assert.deepEqual(problems({ originalIpDetectionExtensions: [xff], useRemoteAddress: true, xffNumTrustedHops: 1 }), [
    'original_ip_detection_extensions: Original IP detection extensions and use_remote_address may not be mixed',
    'original_ip_detection_extensions: Original IP detection extensions and xff_num_trusted_hops may not be mixed',
  ]);
  assert.equal(problems({ stripMatchingHostPort: true, stripAnyHostPort: true }).length, 1);
});
