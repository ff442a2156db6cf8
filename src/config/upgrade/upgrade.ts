/** Whatever generation a configuration is of, its tree in v3 (control path, step 1, between reading and converting to messages). */
import type { DescMessage } from '@bufbuild/protobuf';
import type { Report } from '../report.ts';
import type { SourceNode } from '../source_tree.ts';
import { Changes } from './changes.ts';
import { UpgradeContext } from './context.ts';
import { convertV1, isV1 } from './v1_to_v3/bootstrap.ts';
import { upgradeV2 } from './v2_to_v3/walk.ts';

export interface Upgraded {
  readonly tree: SourceNode;
  readonly changes: Changes;
}

/** `type` is the v3 message the tree is to become. Warns of what was converted; errors where that cannot be done. */
export function upgradeTree(tree: SourceNode, type: DescMessage, report: Report): Upgraded {
  const changes = new Changes();
  const context = new UpgradeContext(report, changes);
  const isFirst = type.typeName === 'envoy.config.bootstrap.v3.Bootstrap' && tree.kind === 'map' && isV1(tree);
  let upgraded = isFirst ? convertV1(tree, context) : upgradeV2(tree, type, context);
  if (!isFirst && changes.any) {
    // Only now it is known that the file is of v2.
    context.speaksV2 = true;
    upgraded = upgradeV2(upgraded, type, context);
  }
  changes.warn(report);
  return { tree: upgraded, changes };
}
