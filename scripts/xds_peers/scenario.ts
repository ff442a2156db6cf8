/** What a scenario is: steps of a control plane in a setting of its own, which end in a line of figures. */
import { Setting, type SettingOptions } from './context.ts';

export interface Scenario {
  readonly name: string;
  /** Resolves with its figures. */
  run(options: SettingOptions): Promise<string>;
}

export function scenario(name: string, steps: (setting: Setting) => Promise<string>, plane = {}): Scenario {
  return {
    name,
    async run(options) {
      const setting = new Setting(options, plane);
      try {
        await setting.start();
        return await steps(setting);
      } finally {
        await setting.stop();
      }
    },
  };
}

export const ms = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
