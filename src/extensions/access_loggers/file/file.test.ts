import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fromJson } from '@bufbuild/protobuf';
import type { envoy } from '../../../api/envoy_types.ts';
import { encode, messageType, registry, unpackAny } from '../../../api/registry.ts';
import { createAccessLogs } from '../../../common/access_log/create_access_logs.ts';
import { LogFiles } from '../../../common/access_log/log_files.ts';
import { testContext } from '../../../common/formatter/test_context.ts';
import { stderrFactory, stdoutFactory } from '../stream/config.ts';
import { factory } from './config.ts';

const dir = mkdtempSync(join(tmpdir(), 'nuncio-access-'));
after(() => rmSync(dir, { recursive: true }));

const message = (json: object, type = factory.typeName) => fromJson(messageType(type), json as never, { registry });

function problems(json: object): string[] {
  const found: string[] = [];
  const report = (path: string, reason: string) => found.push(`${path}: ${reason}`);
  factory.validate?.(message(json), { error: report, warn: report });
  return found;
}

test('all loggers of a list write to their files, behind their filters', async () => {
  const files = new LogFiles();
  const path = join(dir, 'x.log');
  const create = (await factory.load()).default;
  const log = (json: object, filter?: object) =>
    fromJson(
      messageType('envoy.config.accesslog.v3.AccessLog'),
      {
        name: 'any',
        ...(filter && { filter }),
        typedConfig: { '@type': `type.googleapis.com/${factory.typeName}`, path, ...json },
      } as never,
      { registry },
    ) as unknown as envoy.config.accesslog.v3.AccessLog;
  const never = { statusCodeFilter: { comparison: { op: 'GE', value: { defaultValue: 500, runtimeKey: 'x' } } } };
  const loggers = createAccessLogs(
    [
      log({ logFormat: { textFormatSource: { inlineString: '%RESPONSE_CODE% é\n' } } }),
      log({ format: '%PROTOCOL%\n' }),
      log({ jsonFormat: { code: '%RESPONSE_CODE%' } }),
      log({ logFormat: { jsonFormat: { gone: '%REQ(nope)%' }, omitEmptyValues: true } }),
      log({ format: 'never\n' }, never),
    ],
    { files, extension: ({ typedConfig }) => ({ create, message: unpackAny(typedConfig as never) }) },
  );
  for (const logger of loggers) logger.log(testContext());
  await files.close();
  assert.equal(readFileSync(path, 'utf8'), '200 é\nHTTP/1.1\n{"code":200}\n{}\n');
});

test('faults of a configuration, each at its field', () => {
  const path = join(dir, 'y.log');
  assert.deepEqual(problems({ path }), []);
  assert.deepEqual(problems({ path: '/dev/stdout', format: '' }), []);
  assert.deepEqual(problems({ path: join(dir, 'no', 'x'), format: '%X%' }), [
    'format: Not supported field in StreamInfo: X',
    `path: unable to open file '${join(dir, 'no', 'x')}': No such file or directory`,
  ]);
  assert.deepEqual(problems({ path, logFormat: { jsonFormat: { a: ['%X%'] } } }), [
    'log_format.json_format.a[0]: Not supported field in StreamInfo: X',
  ]);
  assert.deepEqual(problems({ path, logFormat: { textFormatSource: { filename: '/nope' } } }), [
    'log_format.text_format_source: Invalid path: /nope',
  ]);
});

test('stdout and stderr loggers write to the descriptors', async () => {
  for (const [streamFactory, path] of [
    [stdoutFactory, '/dev/stdout'],
    [stderrFactory, '/dev/stderr'],
  ] as const) {
    const written: string[] = [];
    const files = { open: (name: string) => ({ write: (entry: string) => written.push(`${name} ${entry}`) }) };
    const create = (await streamFactory.load()).default as (
      message: unknown,
      context: object,
    ) => { log(c: object): void };
    const json = { logFormat: { textFormatSource: { inlineString: '%RESPONSE_CODE%\n' } } };
    create(message(json, streamFactory.typeName), { files }).log(testContext());
    assert.deepEqual(written, [`${path} 200\n`]);
    assert.equal(encode(streamFactory.typeName, message(json, streamFactory.typeName)).length > 0, true);
  }
});
