import { describe, expect, test } from 'vitest';
import { LeaseTable } from '../../backend/protocols/dhcp/leases.ts';

const mac = (number: number): string =>
  `02:00:00:00:${(number >> 8).toString(16)}:${(number & 255).toString(16)}`;

function table(size = 4, isReserved?: (address: number) => boolean): LeaseTable {
  return new LeaseTable({
    range: { first: 100, last: 99 + size },
    leaseMs: 1000,
    offerMs: 10,
    quarantineMs: 100,
    isReserved,
  });
}

function bind(leases: LeaseTable, client: number, now: number): number | undefined {
  const address = leases.candidate(mac(client), undefined, now);
  if (address !== undefined) leases.apply({ kind: 'bind', mac: mac(client), address }, now);
  return address;
}

describe('LeaseTable', () => {
  test('gives every address of the range once', () => {
    const leases = table(4);
    expect([1, 2, 3, 4, 5].map((client) => bind(leases, client, 0))).toEqual([100, 101, 102, 103, undefined]);
  });

  test('gives the longest unused address when all have been used', () => {
    const leases = table(3);
    for (const client of [1, 2, 3]) bind(leases, client, client);
    leases.apply({ kind: 'release', mac: mac(2), address: 101 }, 5);
    leases.apply({ kind: 'release', mac: mac(1), address: 100 }, 6);
    expect(bind(leases, 4, 7)).toBe(101);
    expect(leases.held(mac(2))).toBeUndefined();
    expect(leases.held(mac(1))).toBe(100);
  });

  test('keeps reserved addresses out, and gives them when they are free again', () => {
    let reserved = 100;
    const leases = table(2, (address) => address === reserved);
    expect(bind(leases, 1, 0)).toBe(101);
    expect(bind(leases, 2, 0)).toBeUndefined();
    reserved = 0;
    expect(bind(leases, 1, 9_999)).toBe(101);
    expect(bind(leases, 2, 10_000)).toBe(100);
  });

  test('offers time out, leases run out, quarantine ends', () => {
    const leases = table(3);
    leases.apply({ kind: 'offer', mac: mac(1), address: 100 }, 0);
    leases.apply({ kind: 'bind', mac: mac(2), address: 101 }, 0);
    leases.apply({ kind: 'bind', mac: mac(3), address: 102 }, 0);
    leases.apply({ kind: 'decline', mac: mac(3), address: 102 }, 0);
    expect(leases.isAvailable(100, mac(9), 9)).toBe(false);
    expect(leases.isAvailable(100, mac(9), 10)).toBe(true);
    expect(leases.isAvailable(102, mac(9), 99)).toBe(false);
    expect(leases.isAvailable(102, mac(9), 100)).toBe(true);
    expect(leases.isAvailable(101, mac(9), 999)).toBe(false);
    expect(leases.expire(1000)).toBe(3);
    expect(leases.counts()).toEqual({ offered: 0, bound: 0, free: 3, declined: 0 });
  });

  test('a flood of clients cannot make it grow, and the range comes back when it is over', () => {
    const leases = table(16);
    for (let client = 0; client < 50_000; client++) {
      const address = leases.candidate(mac(client), undefined, 0);
      if (address !== undefined) leases.apply({ kind: 'offer', mac: mac(client), address }, 0);
    }
    expect(leases.counts()).toEqual({ offered: 16, bound: 0, free: 0, declined: 0 });
    expect(bind(leases, 60_000, 11)).toBe(100);
  });

  test('a client that asks again while its lease runs keeps it', () => {
    const leases = table();
    bind(leases, 1, 0);
    leases.apply({ kind: 'offer', mac: mac(1), address: 100 }, 5);
    expect(leases.isBound(mac(1), 100, 500)).toBe(true);
  });

  test('says what must be stored', () => {
    const leases = table();
    expect(leases.apply({ kind: 'offer', mac: mac(1), address: 100 }, 0)).toEqual({});
    expect(leases.apply({ kind: 'bind', mac: mac(1), address: 100 }, 0)).toEqual({
      save: { mac: mac(1), address: 100, expires: 1000 },
    });
    expect(leases.apply({ kind: 'bind', mac: mac(1), address: 101 }, 0)).toEqual({
      save: { mac: mac(1), address: 101, expires: 1000 },
      remove: 100,
    });
    expect(leases.apply({ kind: 'release', mac: mac(1), address: 101 }, 0)).toEqual({ remove: 101 });
    expect(leases.apply({ kind: 'release', mac: mac(1), address: 101 }, 0)).toEqual({});
  });

  test('takes up stored leases, except those that are over, outside the range or double', () => {
    const leases = table();
    const stored = [
      { mac: mac(1), address: 101, expires: 500 },
      { mac: mac(2), address: 102, expires: 50 },
      { mac: mac(3), address: 7, expires: 500 },
      { mac: mac(4), address: 101, expires: 600 },
      { mac: mac(1), address: 103, expires: 700 },
    ];
    leases.load(stored, 100);
    expect(leases.counts().bound).toBe(1);
    expect(leases.held(mac(1))).toBe(101);
    expect(bind(leases, 5, 100)).toBe(100);
    expect(bind(leases, 6, 100)).toBe(102);
  });
});
