/** SETTINGS (RFC 9113 section 6.5): what we announce and what the peer has announced. */
import { ErrorCode } from '../codec.ts';
import {
  Flag,
  FRAME_HEADER_LENGTH,
  FrameType,
  MAX_FRAME_SIZE,
  MAX_WINDOW,
  readUint32,
  writeFrameHeader,
  writeUint32,
} from './frame.ts';

export const SettingId = {
  HeaderTableSize: 1,
  EnablePush: 2,
  MaxConcurrentStreams: 3,
  InitialWindowSize: 4,
  MaxFrameSize: 5,
  EnableConnectProtocol: 8,
} as const;

export const DEFAULT_WINDOW = 65_535;
export const SETTING_LENGTH = 6;
/** More entries than any peer needs (CVE-2020-11080). */
const MAX_ENTRIES = 32;

/** What the peer allows us; RFC 9113's defaults until it speaks. */
export class PeerSettings {
  headerTableSize = 4096;
  /** The least table size since `takeTableSizes`: the encoder has to shrink that far before it grows again (RFC 7541 section 4.2). */
  leastHeaderTableSize = 4096;
  maxConcurrentStreams = 0xffffffff;
  initialWindowSize = DEFAULT_WINDOW;
  maxFrameSize = MAX_FRAME_SIZE;
  enableConnectProtocol = false;

  /** Takes a payload in; the code of a connection error, `NoError` when all is well. */
  apply(bytes: Uint8Array, start: number, end: number, fromServer: boolean): ErrorCode {
    if (end - start > MAX_ENTRIES * SETTING_LENGTH) return ErrorCode.EnhanceYourCalm;
    this.leastHeaderTableSize = this.headerTableSize;
    for (let at = start; at < end; at += SETTING_LENGTH) {
      const code = this.set((bytes[at] << 8) | bytes[at + 1], readUint32(bytes, at + 2), fromServer);
      if (code !== ErrorCode.NoError) return code;
    }
    return ErrorCode.NoError;
  }

  /** Unknown settings are ignored. */
  private set(id: number, value: number, fromServer: boolean): ErrorCode {
    switch (id) {
      case SettingId.HeaderTableSize:
        this.headerTableSize = value;
        if (value < this.leastHeaderTableSize) this.leastHeaderTableSize = value;
        break;
      case SettingId.EnablePush:
        if (value > (fromServer ? 0 : 1)) return ErrorCode.ProtocolError;
        break;
      case SettingId.MaxConcurrentStreams:
        this.maxConcurrentStreams = value;
        break;
      case SettingId.InitialWindowSize:
        if (value > MAX_WINDOW) return ErrorCode.FlowControlError;
        this.initialWindowSize = value;
        break;
      case SettingId.MaxFrameSize:
        if (value < MAX_FRAME_SIZE || value > 0xffffff) return ErrorCode.ProtocolError;
        this.maxFrameSize = value;
        break;
      case SettingId.EnableConnectProtocol:
        // RFC 8441 section 3: it must not be taken back.
        if (value > 1 || (value === 0 && this.enableConnectProtocol)) return ErrorCode.ProtocolError;
        this.enableConnectProtocol = value === 1;
        break;
    }
    return ErrorCode.NoError;
  }
}

export function settingsFrameLength(settings: readonly (readonly [number, number])[]): number {
  return FRAME_HEADER_LENGTH + settings.length * SETTING_LENGTH;
}

export function writeSettings(target: Uint8Array, at: number, settings: readonly (readonly [number, number])[]): void {
  writeFrameHeader(target, at, settings.length * SETTING_LENGTH, FrameType.Settings, Flag.None, 0);
  let pos = at + FRAME_HEADER_LENGTH;
  for (const [id, value] of settings) {
    target[pos] = id >>> 8;
    target[pos + 1] = id;
    writeUint32(target, pos + 2, value);
    pos += SETTING_LENGTH;
  }
}

export function writeSettingsAck(target: Uint8Array, at: number): void {
  writeFrameHeader(target, at, 0, FrameType.Settings, Flag.Ack, 0);
}
