import { expect, test } from 'vitest';
import { parseNetworks } from '../../backend/nodes/networks/setting.ts';
import { checkSettings } from '../../backend/nodes/settings.ts';

test('names, restrictions in any case and order; walt-net is the first card', () => {
  expect(parseNetworks('walt-net')).toEqual([{ name: 'walt-net', restrictions: {} }]);
  expect(parseNetworks('home-net[lat=10ms,bw=100Mbps],walt-net,b[LAT=250US],c[bw=64KBPS,loss=0.5%]')).toEqual(
    [
      { name: 'walt-net', restrictions: {} },
      { name: 'home-net', restrictions: { latencyUs: 10_000, bandwidth: 100e6 } },
      { name: 'b', restrictions: { latencyUs: 250 } },
      { name: 'c', restrictions: { bandwidth: 64e3, loss: 0.005 } },
    ],
  );
  expect(parseNetworks('walt-net[bw=1gbps]')[0]?.restrictions).toEqual({ bandwidth: 1e9 });
});

test.each([
  ['', 'Could not parse networks value'],
  ['walt-net,', 'Could not parse networks value'],
  ['walt-net,Home', 'Could not parse networks value'],
  ['walt-net,x;reboot', 'Could not parse networks value'],
  ['walt-net,../x', 'Could not parse networks value'],
  ['home-net', "Mandatory network 'walt-net' is missing from specified networks."],
  ['walt-net,a,a[lat=1ms]', 'Specifying twice the same network name is not allowed.'],
  ['walt-net[]', "'' is not a valid network resource restriction."],
  ['walt-net[foo=1]', "'foo=1' is not a valid network resource restriction."],
  ['walt-net[lat=1s]', "'lat=1s' is not a valid network resource restriction."],
  ['walt-net[lat=1.5ms]', "'lat=1.5ms' is not a valid network resource restriction."],
  ['walt-net[lat=11000ms]', "'lat=11000ms' is not a valid network resource restriction."],
  ['walt-net[bw=0Mbps]', "'bw=0Mbps' is not a valid network resource restriction."],
  ['walt-net[bw=-1Mbps]', "'bw=-1Mbps' is not a valid network resource restriction."],
  ['walt-net[bw=1%]', "'bw=1%' is not a valid network resource restriction."],
  ['walt-net[loss=101%]', "'loss=101%' is not a valid network resource restriction."],
  ['walt-net[lat=1ms,lat=2ms]', 'a second time'],
  [`walt-net,${'a'.repeat(33)}`, 'at most 32 letters'],
  ['walt-net,a,b,c,d,e,f,g,h', 'at most 8 networks'],
])('%s is refused with a sentence', (text, sentence) => {
  expect(() => parseNetworks(text)).toThrow(sentence);
  expect(() => checkSettings({ networks: text })).toThrow(sentence);
});

test('netsetup in any case', () => {
  expect(checkSettings({ netsetup: 'nat' })).toEqual({ netsetup: 'NAT' });
  expect(checkSettings({ netsetup: 'Lan' })).toEqual({ netsetup: 'LAN' });
  for (const netsetup of ['', 'WAN', 1])
    expect(() => checkSettings({ netsetup })).toThrow(/^Failed: netsetup value should be 'NAT' or 'LAN'\.$/);
});
