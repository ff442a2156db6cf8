/** http_protocol_options.header_key_format compiled, for either side: how header names are spelt on an HTTP/1 wire. */
import { type HeaderSpelling, properCaseWords } from '../../native-free/headers/header_spelling.ts';
import type { envoy } from '../api/envoy_types.ts';
import { unpackAny } from '../api/registry.ts';

export interface HeaderKeyFormat {
  /** The decoder keeps spellings for whoever writes the message on; Envoy's own headers are spelt as this says. */
  readonly preserveCase: 'lower_case' | 'proper_case' | undefined;
  /** What this side writes where the message has no spelling of its own; undefined: lower case. */
  readonly spelling: HeaderSpelling | undefined;
  /** Answers keep their sender's reason phrase. */
  readonly forwardReason: boolean;
}

const lowerCase: HeaderKeyFormat = { preserveCase: undefined, spelling: undefined, forwardReason: false };

export function compileHeaderKeyFormat(
  options: envoy.config.core.v3.Http1ProtocolOptions | undefined,
): HeaderKeyFormat {
  const format = options?.headerKeyFormat?.headerFormat;
  if (format?.case === 'properCaseWords') return { ...lowerCase, spelling: properCaseWords };
  if (format?.case !== 'statefulFormatter' || format.value.typedConfig === undefined) {
    return lowerCase;
  }
  const { formatterTypeOnEnvoyHeaders, forwardReasonPhrase } = unpackAny(format.value.typedConfig) as unknown as {
    formatterTypeOnEnvoyHeaders: number;
    forwardReasonPhrase: boolean;
  };
  return {
    preserveCase: formatterTypeOnEnvoyHeaders === 1 ? 'proper_case' : 'lower_case',
    spelling: undefined,
    forwardReason: forwardReasonPhrase,
  };
}
