/** Whether a format asks for the group of key exchanges: until one does no handshake pays for finding out. */
export const tlsGroups = { asked: false };
