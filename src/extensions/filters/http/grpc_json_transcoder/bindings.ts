/** What path and query say of a request message, as a tree that is woven into what its body says (Envoy's RequestWeaver). */
import type { DescField } from '@bufbuild/protobuf';

/** For one message: values of its own fields, and of messages in it. */
export class BindingTree {
  readonly values: { readonly field: DescField; readonly value: string }[] = [];
  readonly messages: { readonly field: DescField; readonly tree: BindingTree }[] = [];

  add(path: readonly DescField[], value: string): void {
    if (path.length === 1) {
      this.values.push({ field: path[0], value });
      return;
    }
    let child = this.child(path[0]);
    if (child === undefined) {
      child = new BindingTree();
      this.messages.push({ field: path[0], tree: child });
    }
    child.add(path.slice(1), value);
  }

  child(field: DescField): BindingTree | undefined {
    return this.messages.find((message) => message.field === field)?.tree;
  }

  /** The body has this field: its word counts. Answers a value of ours that is another one. */
  drop(field: DescField, bodyValue: string): string | undefined {
    let conflict: string | undefined;
    for (let i = this.values.length - 1; i >= 0; i--) {
      if (this.values[i].field !== field) continue;
      if (this.values[i].value !== bodyValue) conflict = this.values[i].value;
      this.values.splice(i, 1);
    }
    return conflict;
  }

  get isEmpty(): boolean {
    return this.values.length === 0 && this.messages.length === 0;
  }
}
