/**
 * v2 → v3 on the source tree (control path, step 1): goes down along the v3 descriptors and rewrites what v2 said otherwise.
 * A tree that is v3 already comes back as it is.
 */
import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { findMessageType, typeNameOf } from '../../../api/registry.ts';
import type { MapEntry, MapNode, SourceNode } from '../../source_tree.ts';
import type { UpgradeContext } from '../context.ts';
import { Fields, textOf } from '../edit.ts';
import { v3NameOf } from '../previous_names.ts';
import { rulesFor } from './rules.ts';

const listenerType = 'envoy.config.listener.v3.Listener';

/** `node` is a value of this type in protobuf's JSON. */
export function upgradeV2(node: SourceNode, type: DescMessage, context: UpgradeContext): SourceNode {
  if (node.kind !== 'map') return node;
  const fields = new Fields(node);
  if (type.typeName === listenerType) {
    context.trafficDirection = undefined;
    context.inListener = true;
  }
  for (const rule of rulesFor(type.typeName)) rule(fields, context);
  for (const entry of fields.entries()) {
    const field = fieldOf(type, entry.key);
    if (field?.message === undefined) continue;
    const value = upgradeValue(field, entry.value, context);
    if (value !== entry.value) moveComment(entry, fields.replace(entry, entry.key, value), context);
  }
  if (type.typeName === listenerType) {
    setDirection(fields, context);
    context.inListener = false;
  }
  return fields.done();
}

function fieldOf(type: DescMessage, key: string): DescField | undefined {
  return type.fields.find((field) => field.name === key || field.jsonName === key);
}

function upgradeValue(field: DescField, node: SourceNode, context: UpgradeContext): SourceNode {
  if (node.kind === 'list') return mapItems(node, (item) => upgradeValue(field, item, context));
  if (field.fieldKind !== 'map') return upgradeMessage(field.message!, node, context);
  if (node.kind !== 'map') return node;
  const fields = new Fields(node);
  for (const entry of node.entries) {
    const value = upgradeMessage(field.message!, entry.value, context);
    if (value !== entry.value) moveComment(entry, fields.replace(entry, entry.key, value), context);
  }
  return fields.done();
}

function upgradeMessage(type: DescMessage, node: SourceNode, context: UpgradeContext): SourceNode {
  if (type.typeName === 'google.protobuf.Any') return node.kind === 'map' ? upgradeAny(node, context) : node;
  return type.typeName.startsWith('google.protobuf.') ? node : upgradeV2(node, type, context);
}

/** An Any by its type, which may have its v2 name; a TypedStruct by the type it stands for. */
function upgradeAny(node: MapNode, context: UpgradeContext): SourceNode {
  const fields = new Fields(node);
  const type = upgradeTypeUrl(fields, '@type', context);
  if (type === undefined) return fields.done();
  if (!type.typeName.endsWith('.TypedStruct')) return upgradeV2(fields.done(), type, context);
  const inner = upgradeTypeUrl(fields, 'type_url', context);
  const value = fields.get('value');
  if (inner !== undefined && value !== undefined) {
    const upgraded = upgradeV2(value.value, inner, context);
    if (upgraded !== value.value) fields.replace(value, value.key, upgraded);
  }
  return fields.done();
}

function upgradeTypeUrl(fields: Fields, key: string, context: UpgradeContext): DescMessage | undefined {
  const entry = fields.get(key);
  const url = textOf(entry?.value);
  if (entry === undefined || url === undefined) return undefined;
  const name = v3NameOf(typeNameOf(url));
  if (name === undefined) return findMessageType(typeNameOf(url));
  const next = fields.replace(entry, entry.key, `type.googleapis.com/${name}`);
  context.changes.converted(entry.value, next, `v2 type '${typeNameOf(url)}'`, `'${name}'`);
  return findMessageType(name);
}

/** What the listener's connection managers said of the direction of their traces. */
function setDirection(fields: Fields, context: UpgradeContext): void {
  const direction = context.trafficDirection;
  if (direction === undefined || fields.get('traffic_direction') !== undefined) return;
  const entry = fields.put('traffic_direction', direction.value, direction.from);
  context.changes.converted(
    direction.from,
    entry,
    `v2 field '${direction.from.key}'`,
    "the listener's 'traffic_direction'",
  );
}

function moveComment(from: MapEntry, to: MapEntry, { changes }: UpgradeContext): void {
  const comment = changes.commentOf(from);
  if (comment !== undefined) changes.comment(to, comment);
}

function mapItems(node: SourceNode & { kind: 'list' }, change: (item: SourceNode) => SourceNode): SourceNode {
  const items = node.items.map(change);
  return items.some((item, i) => item !== node.items[i]) ? { ...node, items } : node;
}
