const PATHS = {
  copy: 'M9 9h10v10H9zM5 15V5h10', check: 'M5 12.5l4.5 4.5L19 7', menu: 'M4 7h16M4 12h16M4 17h16', moon: 'M20 14.5A8 8 0 0 1 9.5 4a8 8 0 1 0 10.5 10.5z',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M2 12h2M20 12h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4', down: 'M6 9l6 6 6-6', person: 'M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM4.5 20.5a7.5 7.5 0 0 1 15 0', find: 'M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l5 5',
} as const
/** Drawn here, so that no font has to know the sign. What it means is said by the button around it. */
export const Icon = ({ name }: { name: keyof typeof PATHS }) => <svg className="icon" viewBox="0 0 24 24" aria-hidden><path d={PATHS[name]} /></svg>
