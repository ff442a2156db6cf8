/** Takes the tags out of a statistic's name (Prometheus' labels): the default ones, and those of `stats_config` and `--stats-tag`. */
import type { envoy } from '../../api/envoy_types.ts';
import { generalTags, type TagRule, tagsByScope } from './default_tags.ts';

type StatsConfig = envoy.config.metrics.v3.StatsConfig;
type Tag = readonly [name: string, value: string];

/** A name without its tags, and the tags in the order Envoy finds them. */
export interface TaggedName {
  readonly base: string;
  readonly tags: readonly Tag[];
}

/** Why a tag cannot be extracted, in Envoy's words; undefined when it can. */
export function tagProblem(specifier: envoy.config.metrics.v3.TagSpecifier): string | undefined {
  const { tagName, tagValue } = specifier;
  if (tagName === '') return 'tag_name cannot be empty';
  if (tagValue.case === 'fixedValue') return undefined;
  if (!tagValue.value) {
    return isDefault(tagName)
      ? undefined
      : `No regex specified for tag specifier and no default regex for name: '${tagName}'`;
  }
  try {
    new RegExp(tagValue.value);
    return undefined;
  } catch (error) {
    return `Invalid regex '${tagValue.value}': ${(error as Error).message.replace(/^.*: /, '')}`;
  }
}

function isDefault(tag: string): boolean {
  return [generalTags, ...tagsByScope.values()].some((rules) => rules.some(([name]) => name === tag));
}

/** The rules in force: those without a fixed first part of the name, then those by it. */
export class TagExtraction {
  private readonly general: TagRule[] = [];
  private readonly byScope = new Map<string, TagRule[]>();

  /** `config` has been checked with `tagProblem`; `given` are `name:value` of the command line, which come before its tags. */
  constructor(config?: StatsConfig, given: readonly string[] = []) {
    const specifiers = config?.statsTags ?? [];
    const overridden = new Set(config?.allowDefaultTagOverrides === true ? specifiers.map((each) => each.tagName) : []);
    if (config?.useAllDefaultTags !== false) this.addDefaults((tag) => !overridden.has(tag));
    for (const tag of given) this.fix(tag.slice(0, tag.indexOf(':')), tag.slice(tag.indexOf(':') + 1));
    for (const { tagName, tagValue } of specifiers) {
      if (tagValue.case === 'fixedValue') this.fix(tagName, tagValue.value);
      else if (tagValue.value) this.addOwn(tagName, tagValue.value);
      else if (config?.useAllDefaultTags === false || overridden.has(tagName))
        this.addDefaults((tag) => tag === tagName);
    }
  }

  /** Every rule looks at the whole name; what they found is taken out together. Costs some microseconds: keep the result. */
  extract(name: string): TaggedName {
    const tags: Tag[] = [];
    const cuts: { start: number; end: number }[] = [];
    const apply = ([tag, extract]: TagRule): void => {
      if (tags.some(([known]) => known === tag)) return;
      const found = extract(name);
      if (found === undefined) return;
      tags.push([tag, found.value]);
      cuts.push(found);
    };
    this.general.forEach(apply);
    this.byScope.get(name.slice(0, Math.max(0, name.indexOf('.'))))?.forEach(apply);
    let base = '';
    let from = 0;
    for (const { start, end } of cuts.sort((a, b) => a.start - b.start)) {
      base += name.slice(from, Math.max(from, start));
      from = Math.max(from, end);
    }
    return { base: base + name.slice(from), tags };
  }

  /** A tag that every name has, and that takes nothing out of it. */
  private fix(tag: string, value: string): void {
    this.general.push([tag, () => ({ start: 0, end: 0, value })]);
  }

  private addDefaults(wanted: (tag: string) => boolean): void {
    this.general.push(...generalTags.filter(([tag]) => wanted(tag)));
    for (const [scope, rules] of tagsByScope) this.addScoped(scope, ...rules.filter(([tag]) => wanted(tag)));
  }

  /** Group 1 is taken out of the name, group 2 is the value, or group 1 where there is no other. */
  private addOwn(tag: string, source: string): void {
    const regex = new RegExp(source, 'd');
    const rule: TagRule = [
      tag,
      (name) => {
        const found = regex.exec(name);
        if (found === null || found.length === 1) return undefined;
        const [start, end] = found.indices![1] ?? [0, 0];
        return { start, end, value: (found.length > 2 ? found[2] : found[1]) ?? '' };
      },
    ];
    // What begins with a plain first part is tried after the general ones.
    const scope = /^\^(\w+)(?:\\\.|\(\?=\\\.\))/.exec(source)?.[1];
    if (scope === undefined) this.general.push(rule);
    else this.addScoped(scope, rule);
  }

  private addScoped(scope: string, ...rules: readonly TagRule[]): void {
    const known = this.byScope.get(scope);
    if (known === undefined) this.byScope.set(scope, [...rules]);
    else known.push(...rules);
  }
}
