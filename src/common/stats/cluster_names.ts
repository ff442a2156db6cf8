/** Which statistics go with clusters that are taken away. */
import { statNamePart } from './stat_name.ts';

const scope = 'cluster.';

/** True for `cluster.<name>.…` of a cluster that went; the name of one may begin with the name of another and a dot. */
export function namesOfClusters(
  gone: Iterable<string>,
  isLive: (name: string) => boolean,
): (statName: string) => boolean {
  // Scopes that are never printed have names as they are.
  const all = new Set([...gone].flatMap((name) => [name, statNamePart(name)]));
  return (statName) => {
    if (!statName.startsWith(scope)) return false;
    for (let dot = statName.lastIndexOf('.'); dot > scope.length; dot = statName.lastIndexOf('.', dot - 1)) {
      const name = statName.slice(scope.length, dot);
      if (all.has(name)) return true;
      if (isLive(name)) return false;
    }
    return false;
  };
}
