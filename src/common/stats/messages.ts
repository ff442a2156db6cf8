/** What a thread tells the main thread about its statistics; all of it can be cloned between threads. */

/** Names a thread has given slots to since it last told; chunks are named by their number in the thread. */
export interface StatsAnnouncement {
  /** Slot memory, numbered on from those announced before. */
  readonly chunks: readonly SharedArrayBuffer[];
  /** Layouts used for the first time, without their `slot`. */
  readonly layouts: readonly AnnouncedLayout[];
  readonly blocks: readonly AnnouncedBlock[];
  readonly scalars: readonly AnnouncedScalar[];
  /** Full names. */
  readonly histograms: readonly string[];
  /** Forgotten before all of the above: scopes by layout and prefix, single names, histograms. */
  readonly dropped: readonly DroppedName[];
}

export interface DroppedName {
  /** Undefined: a counter or gauge by itself. */
  readonly layoutId?: string;
  readonly isHistogram?: boolean;
  readonly name: string;
}

export interface AnnouncedLayout {
  readonly id: string;
  readonly names: readonly string[];
  readonly gauges: readonly boolean[];
  readonly internal: boolean;
}

export interface AnnouncedBlock {
  readonly layoutId: string;
  /** With its final dot. */
  readonly prefix: string;
  readonly chunk: number;
  /** Slot of the layout's first name in the chunk. */
  readonly base: number;
}

export interface AnnouncedScalar {
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  readonly chunk: number;
  readonly index: number;
}
