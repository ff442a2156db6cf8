/** Step 6 of the data path: stands for a filter whose configuration is to be discovered and is not there: no request passes. */
import { ResponseFlag } from '../common/response_flags.ts';
import { type DecoderFilterCallbacks, HeadersStatus, type StreamFilter } from '../spi/http_filter.ts';

export class MissingConfigFilter implements StreamFilter {
  private callbacks!: DecoderFilterCallbacks;

  setDecoderCallbacks(callbacks: DecoderFilterCallbacks): void {
    this.callbacks = callbacks;
  }

  decodeHeaders(): HeadersStatus {
    this.callbacks.sendLocalReply(500, '', '', ResponseFlag.NoFilterConfigFound);
    return HeadersStatus.StopIteration;
  }
}
