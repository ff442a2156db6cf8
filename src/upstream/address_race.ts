/** Step 9 of the data path: a host with several addresses is tried at one after the other until one answers (RFC 8305). */
import type { envoy } from '../api/envoy_types.ts';
import { addressOfMessage, ipVersion } from '../common/address.ts';
import type { Address } from '../common/stream_info.ts';
import { Timer, type TimerOwner } from '../common/timers.ts';
import type { Connection, ConnectionCallbacks } from '../net/connection.ts';

type HappyEyeballs = envoy.config.cluster.v3.UpstreamConnectionOptions_HappyEyeballsConfig;

/** Milliseconds after which the next address is tried beside those before: Envoy's. */
const attemptDelay = 300;

/** Who wants a connection: until `onConnected` it is the one that was begun last, then the one that was first. */
export interface ConnectionOwner extends ConnectionCallbacks {
  connection: Connection;
}

/** Begins to connect to one address. */
export type OpenAddress = (address: Address, callbacks: ConnectionCallbacks) => Connection;

export class AddressRace implements TimerOwner {
  /** The connection to begin with; the race puts others in its place with the owner. */
  readonly first: Connection;
  private readonly owner: ConnectionOwner;
  private readonly open: OpenAddress;
  private readonly addresses: readonly Address[];
  private readonly running: Attempt[] = [];
  private readonly timer = new Timer(this, 0);
  private next = 0;
  private over = false;

  /** `addresses` in the order they are tried. */
  constructor(owner: ConnectionOwner, addresses: readonly Address[], open: OpenAddress) {
    this.owner = owner;
    this.addresses = addresses;
    this.open = open;
    this.first = this.start();
  }

  onTimer(): void {
    this.owner.connection = this.start();
  }

  onConnected(winner: Attempt): void {
    const { owner } = this;
    const { connection } = winner;
    this.end(winner);
    owner.connection = connection;
    connection.callbacks = owner;
    owner.onConnected?.();
  }

  /** `local`: the owner has given up. */
  onFailed(attempt: Attempt, local: boolean, reason: string): void {
    if (this.over) return;
    const { owner, running } = this;
    running.splice(running.indexOf(attempt), 1);
    if (local) {
      this.end(attempt);
      owner.onClosed(true, reason);
    } else if (this.next < this.addresses.length) owner.connection = this.start();
    else if (running.length > 0) owner.connection = running[running.length - 1].connection;
    else owner.onClosed(false, reason);
  }

  private start(): Connection {
    const attempt = new Attempt(this, this.addresses[this.next++], this.open);
    this.running.push(attempt);
    if (this.next < this.addresses.length) this.timer.start(attemptDelay);
    else this.timer.stop();
    return attempt.connection;
  }

  private end(kept: Attempt): void {
    this.over = true;
    this.timer.stop();
    for (const attempt of this.running) if (attempt !== kept) attempt.connection.closeNow();
  }
}

class Attempt implements ConnectionCallbacks {
  readonly connection: Connection;
  private readonly race: AddressRace;

  constructor(race: AddressRace, address: Address, open: OpenAddress) {
    this.race = race;
    this.connection = open(address, this);
  }

  onConnected(): void {
    this.race.onConnected(this);
  }

  onClosed(local: boolean, reason: string): void {
    this.race.onFailed(this, local, reason);
  }

  // Nothing is read or written before there is an owner.
  onData(): void {}
  onEnd(): void {}
  onBlocked(): void {}
  onWritable(): void {}
}

/** envoy.config.cluster.v3.UpstreamConnectionOptions.FirstAddressFamilyVersion. */
const V4 = 1;
const V6 = 2;

/** Those of an endpoint; none when it has but one. */
export function addressesOf({ address, additionalAddresses }: envoy.config.endpoint.v3.Endpoint): readonly Address[] {
  if (additionalAddresses.length === 0) return [];
  return [address, ...additionalAddresses.map((additional) => additional.address)].map(addressOfMessage);
}

/** Families by turns (RFC 8305 section 4), beginning with that of the first address or the configured one. */
export function attemptOrder(addresses: readonly Address[], config: HappyEyeballs | undefined): readonly Address[] {
  const wanted = config?.firstAddressFamilyVersion;
  const family = wanted === V4 ? 4 : wanted === V6 ? 6 : ipVersion(addresses[0].ip);
  const preferred = addresses.filter(({ ip }) => ipVersion(ip) === family);
  const others = addresses.filter(({ ip }) => ipVersion(ip) !== family);
  const ordered = preferred.splice(0, config?.firstAddressFamilyCount ?? 1);
  while (preferred.length > 0 || others.length > 0) ordered.push(...others.splice(0, 1), ...preferred.splice(0, 1));
  return ordered;
}
