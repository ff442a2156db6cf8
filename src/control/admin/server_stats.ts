/** `listener.admin.` and `http.admin.`: what the admin interface counts of itself. */
import type { Socket } from 'node:net';
import { HTTP_ADMIN, LISTENER_ADMIN, LISTENER_HTTP, LISTENER_WORKER } from '../../common/stats/layouts.ts';
import type { Histogram, StatsStore } from '../../spi/stats.ts';

const http = HTTP_ADMIN.slot;

export class AdminServerStats {
  private readonly http: Float64Array;
  private readonly listener: Float64Array;
  private readonly thread: Float64Array;
  private readonly codes: Float64Array;
  private readonly lengths: readonly Histogram[];
  private readonly acceptedAtOnce: Histogram;
  private readonly requestTime: Histogram;

  constructor(store: StatsStore) {
    this.http = store.block(HTTP_ADMIN, 'http.admin.');
    this.listener = store.block(LISTENER_ADMIN, 'listener.admin.');
    this.thread = store.block(LISTENER_WORKER, 'listener.admin.main_thread.');
    this.codes = store.block(LISTENER_HTTP, 'listener.admin.http.admin.');
    this.lengths = ['http', 'listener'].map((scope) => store.histogram(`${scope}.admin.downstream_cx_length_ms`));
    this.acceptedAtOnce = store.histogram('listener.admin.connections_accepted_per_socket_event');
    this.requestTime = store.histogram('http.admin.downstream_rq_time');
  }

  onConnection(socket: Socket): void {
    const start = performance.now();
    this.http[http.downstream_cx_total]++;
    this.http[http.downstream_cx_http1_total]++;
    this.listener[LISTENER_ADMIN.slot.downstream_cx_total]++;
    this.thread[LISTENER_WORKER.slot.downstream_cx_total]++;
    this.acceptedAtOnce.record(1);
    this.active(1);
    let endedByPeer = false;
    socket.once('end', () => {
      endedByPeer = !socket.writableEnded;
    });
    socket.once('close', () => {
      this.active(-1);
      this.http[http.downstream_cx_destroy]++;
      this.http[endedByPeer ? http.downstream_cx_destroy_remote : http.downstream_cx_destroy_local]++;
      this.http[http.downstream_cx_rx_bytes_total] += socket.bytesRead;
      this.http[http.downstream_cx_tx_bytes_total] += socket.bytesWritten;
      this.listener[LISTENER_ADMIN.slot.downstream_cx_destroy]++;
      for (const histogram of this.lengths) histogram.record(performance.now() - start);
    });
  }

  /** Gives what to call when the exchange is over, with the status or 0 when there was no answer. */
  onRequest(): (status: number) => void {
    const start = performance.now();
    this.http[http.downstream_rq_total]++;
    this.http[http.downstream_rq_http1_total]++;
    this.http[http.downstream_rq_active]++;
    return (status) => {
      this.http[http.downstream_rq_active]--;
      this.requestTime.record(performance.now() - start);
      const group = Math.floor(status / 100) - 1;
      if (group < 0 || group > 4) return;
      this.http[http.downstream_rq_completed]++;
      this.http[http.downstream_rq_1xx + group]++;
      this.codes[LISTENER_HTTP.slot.downstream_rq_completed]++;
      this.codes[LISTENER_HTTP.slot.downstream_rq_1xx + group]++;
    };
  }

  private active(difference: number): void {
    this.http[http.downstream_cx_active] += difference;
    this.http[http.downstream_cx_http1_active] += difference;
    this.listener[LISTENER_ADMIN.slot.downstream_cx_active] += difference;
    this.thread[LISTENER_WORKER.slot.downstream_cx_active] += difference;
  }
}
