import * as vscode from 'vscode';

/** `bootyard-image://<image>/path`: an image, read only. */
export const IMAGE_SCHEME = 'bootyard-image';
/** `bootyard-edit://<working copy>/path`: the working copy of an image, which can be written. */
export const EDIT_SCHEME = 'bootyard-edit';
/** `bootyard-node://<node>/path`: what a booted node has. */
export const NODE_SCHEME = 'bootyard-node';

/** An authority has no slash, and `+` is in no name. */
export function fileUri(scheme: string, owner: string, path = '/'): vscode.Uri {
  return vscode.Uri.from({ scheme, authority: owner.replace('/', '+'), path });
}

/** The name of the image or node that a file is of. */
export function ownerOf({ authority }: vscode.Uri): string {
  return authority.replace('+', '/');
}

export function isOurs({ scheme }: vscode.Uri): boolean {
  return [IMAGE_SCHEME, EDIT_SCHEME, NODE_SCHEME].includes(scheme);
}
