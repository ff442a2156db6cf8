/** envoy.config.route.v3.RouteAction.RequestMirrorPolicy compiled: which requests are copied, where to and with what head. */
import type { RequestHead } from '../../native-free/headers/header_map.ts';
import { type HeaderName, headerName } from '../../native-free/headers/header_name.ts';
import type { envoy } from '../api/envoy_types.ts';
import { compileHeaderMutationRule, type HeaderMutationRule } from '../common/header_mutation_rules.ts';
import { type Runtime, RuntimeFraction } from '../common/runtime.ts';
import { toWire } from '../common/wire_string.ts';
import type { FormatContext } from '../spi/format.ts';

type Message = envoy.config.route.v3.RouteAction_RequestMirrorPolicy;

/** The policies of one level; a level without any has those of the level around it. */
export function compileMirrorPolicies(
  messages: readonly Message[],
  runtime: Runtime,
  fallback: readonly MirrorPolicy[],
): readonly MirrorPolicy[] {
  return messages.length === 0 ? fallback : messages.map((message) => new MirrorPolicy(message, runtime));
}

export class MirrorPolicy {
  private readonly name: string;
  private readonly clusterHeader: HeaderName | undefined;
  /** Undefined: every request. */
  private readonly fraction: RuntimeFraction | undefined;
  private readonly mutations: readonly HeaderMutationRule[];
  private readonly host: string;
  private readonly appendsSuffix: boolean;

  constructor(message: Message, runtime: Runtime) {
    this.name = message.cluster;
    this.clusterHeader = message.clusterHeader === '' ? undefined : headerName(message.clusterHeader);
    this.fraction = message.runtimeFraction && new RuntimeFraction(message.runtimeFraction, runtime);
    this.mutations = message.requestHeadersMutations.map(compileHeaderMutationRule);
    this.host = toWire(message.hostRewriteLiteral);
    this.appendsSuffix = !message.disableShadowHostSuffixAppend;
  }

  /** `random` is a non-negative integer. */
  applies(random: number): boolean {
    return this.fraction === undefined || this.fraction.includes(random);
  }

  /** Name of the cluster the copy goes to; undefined when the header that names it is missing. */
  cluster(head: RequestHead): string | undefined {
    return this.clusterHeader === undefined ? this.name : head.headers.get(this.clusterHeader);
  }

  /** The head of the copy: a host of its own, or the request's with `-shadow` behind its name. */
  copyHead(head: RequestHead, context: FormatContext): RequestHead {
    const copy = { ...head, headers: head.headers.clone() };
    for (const mutate of this.mutations) mutate.applyToRequest(copy, context);
    if (this.host !== '') copy.authority = this.host;
    else if (this.appendsSuffix) copy.authority = shadowHost(head.authority);
    return copy;
  }
}

/** `a.test:80` → `a.test-shadow:80`, where Envoy takes the first colon for the port's. */
function shadowHost(authority: string): string {
  const colon = authority.indexOf(':');
  return colon < 0 ? `${authority}-shadow` : `${authority.slice(0, colon)}-shadow${authority.slice(colon)}`;
}
