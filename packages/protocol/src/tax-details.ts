import { z } from 'zod'
import { Instant } from './ids.ts'
import { plain } from './incident.ts'

// Who a seller is to a tax office: personal, so the market keeps it sealed, puts it on the seller's own statements, and shows it to nobody who works for the account.

/** ISO 3166-1, and Kosovo by the code that it uses. */
export const COUNTRIES: readonly string[] = 'AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW'.split(' ')

export const PutTaxDetails = z.strictObject({
  /** As in official papers. */
  name: plain(2, 200).regex(/^[^\n]*$/, 'one line'),
  address: plain(3, 400).regex(/^(?:[^\n]*\n){0,7}[^\n]*$/, 'at most 8 lines'),
  country: z.string().refine((code) => COUNTRIES.includes(code), 'the two letters of a country, such as DE'),
  /** VAT, GST or whatever the country calls it. Null: not in business. Its form is checked, and no register is asked. */
  taxNumber: z.string().trim().regex(/^(?=.{4,40}$)(?=.*\d)[A-Za-z0-9][A-Za-z0-9 ./+*-]*$/, '4 to 40 letters, digits, spaces, dots, dashes or slashes, with a digit among them').nullable(),
}).meta({ id: 'PutTaxDetails' })
export type PutTaxDetails = z.infer<typeof PutTaxDetails>
export const TaxDetails = z.object({ name: z.string(), address: z.string(), country: z.string(), taxNumber: z.string().nullable(), setAt: Instant }).meta({ id: 'TaxDetails' })
export type TaxDetails = z.infer<typeof TaxDetails>
