/** Step 7 of the data path: which side of one request waits until the other takes more, counted as Envoy counts it. */
import { CLUSTER, HTTP } from '../common/stats/layouts.ts';
import type { DecoderFilterCallbacks } from '../spi/http_filter.ts';
import type { ClientStream } from '../upstream/client_stream.ts';

export class FlowControl {
  private readonly callbacks: DecoderFilterCallbacks;
  /** Slots of `http.<prefix>.` */
  private readonly http: Float64Array;
  /** Slots of `cluster.<name>.` */
  private readonly cluster: Float64Array;
  private requestPaused = false;
  private responsePaused = false;

  constructor(callbacks: DecoderFilterCallbacks, http: Float64Array, cluster: Float64Array) {
    this.callbacks = callbacks;
    this.http = http;
    this.cluster = cluster;
  }

  pauseRequest(): void {
    if (this.requestPaused) return;
    this.requestPaused = true;
    this.http[HTTP.slot.downstream_flow_control_paused_reading_total]++;
    this.callbacks.pauseRequest();
  }

  resumeRequest(): void {
    if (!this.requestPaused) return;
    this.requestPaused = false;
    this.http[HTTP.slot.downstream_flow_control_resumed_reading_total]++;
    this.callbacks.resumeRequest();
  }

  pauseResponse(stream: ClientStream): void {
    if (this.responsePaused) return;
    this.responsePaused = true;
    this.cluster[CLUSTER.slot.upstream_flow_control_paused_reading_total]++;
    stream.pauseResponse();
  }

  resumeResponse(stream: ClientStream | undefined): void {
    if (!this.responsePaused) return;
    this.responsePaused = false;
    this.cluster[CLUSTER.slot.upstream_flow_control_resumed_reading_total]++;
    stream?.resumeResponse();
  }

  /** The host's stream is gone: the next one has not been paused. */
  forgetResponse(): void {
    this.responsePaused = false;
  }
}
