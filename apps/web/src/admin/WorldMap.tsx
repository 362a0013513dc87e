// The world with the nodes of a market on it: the shapes come with this file, and nothing from elsewhere. The map itself is one picture, said in a sentence; the marks on it are buttons over
// the picture, so that they are reached by keyboard and each says what it is.
import { useEffect, useMemo, useRef, useState } from 'react'
import { geoNaturalEarth1, geoPath } from 'd3-geo'
import { feature } from 'topojson-client'
import type { GeometryCollection, Topology } from 'topojson-specification'
import countries from 'world-atlas/countries-110m.json'
import { plural, visible } from '../ui/format.ts'
import { gather } from './gather.ts'
import type { Mark, Region, Spot } from './gather.ts'
import { placeOf } from './region-places.ts'
import './map.css'

const WIDTH = 960, HEIGHT = 470
const world = countries as unknown as Topology<{ countries: GeometryCollection }>
const projection = geoNaturalEarth1().fitExtent([[4, 4], [WIDTH - 4, HEIGHT - 4]], { type: 'Sphere' })
const draw = geoPath(projection).digits(1)
const LAND = draw(feature(world, world.objects.countries)) ?? '', SEA = draw({ type: 'Sphere' }) ?? ''

const look = ({ nodes, online }: Mark): 'all' | 'some' | 'none' => (online === nodes ? 'all' : online === 0 ? 'none' : 'some')
const LOOKS = { all: 'all online', some: 'some not online', none: 'none online' } as const
const nameOf = ({ regions }: Mark): string => `${visible(regions[0]?.region ?? '')}${regions.length > 1 ? ` and ${plural(regions.length - 1, 'more region')}` : ''}`

export function WorldMap({ regions, chosen, choose }: { regions: readonly Region[]; chosen: readonly string[]; /** None: all of them. */ choose: (regions: readonly string[]) => void }) {
  const box = useRef<HTMLDivElement>(null), [width, setWidth] = useState(0)
  useEffect(() => {
    const element = box.current
    if (!element) return
    const measured = new ResizeObserver(() => setWidth(element.clientWidth))
    measured.observe(element)
    return () => measured.disconnect()
  }, [])
  const { marks, without } = useMemo(() => {
    const spots: Spot[] = [], others: Region[] = []
    for (const region of regions) {
      const place = placeOf(region.region), point = place && projection([place[1], place[0]])
      if (point) spots.push({ x: (point[0] / WIDTH) * width, y: (point[1] / WIDTH) * width, region })
      else others.push(region)
    }
    return { marks: width === 0 ? [] : gather(spots), without: others }
  }, [regions, width])
  const isChosen = (names: readonly string[]): boolean => names.length === chosen.length && names.every((name) => chosen.includes(name))
  const press = (names: readonly string[]): void => choose(isChosen(names) ? [] : names)
  const places = regions.length - without.length, onMap = marks.reduce((sum, one) => sum + one.nodes, 0)
  const says = `${plural(onMap, 'node')} in ${plural(places, 'region')} with a place${without.length > 0 ? `, and ${plural(without.reduce((sum, one) => sum + one.nodes, 0), 'node')} in regions without one` : ''}. ${marks.slice(0, 5).map((one) => `${nameOf(one)}: ${one.nodes}, ${LOOKS[look(one)]}`).join('; ')}`
  return (
    <div>
      <div className="map" ref={box}>
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`Map of nodes by region. ${says}`}><path className="sea" d={SEA} /><path className="land" d={LAND} /></svg>
        {marks.map((one) => { const names = one.regions.map(({ region }) => region); return (
          <button key={names[0]} type="button" className={`map-mark ${look(one)}`} aria-pressed={isChosen(names)} title={`${names.map(visible).join(', ')}: ${plural(one.nodes, 'node')}, ${one.online} online`} onClick={() => press(names)} ref={(element) => { if (element) Object.assign(element.style, { left: `${one.x}px`, top: `${one.y}px`, width: `${one.size}px`, height: `${one.size}px` }) }}>
            <span className="for-readers">{nameOf(one)}: </span>{one.nodes}<span className="for-readers"> {one.nodes === 1 ? 'node' : 'nodes'}, {one.online} online</span>
          </button>) })}
      </div>
      <div className="map-key" aria-hidden>{(['all', 'some', 'none'] as const).map((one) => <span key={one}><i className={`map-mark ${one}`} />{LOOKS[one]}</span>)}</div>
      {without.length > 0 && <div className="map-without"><span>Without a place on the map:</span>{without.map((one) => <button key={one.region} type="button" className="map-word" aria-pressed={isChosen([one.region])} onClick={() => press([one.region])}>{visible(one.region)} <span className="number">({plural(one.nodes, 'node')}, {one.states.online ?? 0} online)</span></button>)}</div>}
    </div>
  )
}
