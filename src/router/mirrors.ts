/** The copies of one request for shadow clusters (request_mirror_policies), fed beside the request itself. */
import type { HeaderMap, RequestHead } from '../../native-free/headers/header_map.ts';
import type { BodyPiece, DecoderFilterCallbacks } from '../spi/http_filter.ts';
import type { MirrorPolicy } from './mirror_policy.ts';
import type { RouterConfig } from './router_config.ts';
import { ShadowRequest } from './shadow_request.ts';

export interface MirrorOptions {
  /** Milliseconds for a copy's answer; 0: none. */
  readonly timeout: number;
  /** Bytes kept for a copy whose host is slow. */
  readonly bufferLimit: number;
  readonly endStream: boolean;
}

export class Mirrors {
  private readonly copies: ShadowRequest[];

  private constructor(copies: ShadowRequest[]) {
    this.copies = copies;
  }

  /** Starts the copies that the policies ask for; undefined when there is none. `head` is as the request is sent. */
  static start(
    policies: readonly MirrorPolicy[],
    head: RequestHead,
    callbacks: DecoderFilterCallbacks,
    config: RouterConfig,
    options: MirrorOptions,
  ): Mirrors | undefined {
    const copies: ShadowRequest[] = [];
    for (const policy of policies) {
      if (!policy.applies(Math.floor(Math.random() * 0x1_0000_0000))) continue;
      const name = policy.cluster(head);
      const cluster = name === undefined ? undefined : config.clusters.get(name);
      if (cluster === undefined) continue;
      const copy = new ShadowRequest(cluster, policy.copyHead(head, callbacks), options.timeout, options.bufferLimit);
      copies.push(copy);
      copy.start(config.shadow, options.endStream);
    }
    return copies.length === 0 ? undefined : new Mirrors(copies);
  }

  /** How many copies were given up because their host is too slow. */
  sendData({ bytes, start, end }: BodyPiece, endStream: boolean): number {
    let lost = 0;
    for (const copy of this.copies) if (!copy.sendData(bytes as Buffer, start, end, endStream)) lost++;
    return lost;
  }

  sendTrailers(trailers: HeaderMap): void {
    for (const copy of this.copies) copy.sendTrailers(trailers);
  }

  /** The stream ended, maybe before its request was whole. */
  onRequestOver(): void {
    for (const copy of this.copies) copy.onRequestOver();
  }
}
