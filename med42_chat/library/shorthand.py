"""What is written short on a ward, and what it stands for. Pure.

General knowledge of British wards, for finding passages and for library/gate.py: the short form is looked up and the long one, so that a
document may use either. A word that is missing here is taken as it is. Some stand for what a document would rather name than say: 'bloods'
for creatinine, 'sertraline' for a serotonin reuptake inhibitor.
"""

import re
from functools import cache

_JOINED = re.compile(r"\b([a-z])(?:&(?=e?s?\b)|(?<=\bu)\+(?=es?\b)|\.? (?=diff\b))", re.IGNORECASE)  # u&e, u+es, g&s, c. diff
# Any other gent is gentamicin, and so is the old one where it has a level.
_HOW = "older|old|elderly|frail|confused|muddled|delirious|agitated|sleepy|lovely|nice"
_MAN = re.compile(rf"((?:\b(?:{_HOW})|yo|\d[ym]) gent)\b(?! (?:level|dose|trough|chart|result))", re.IGNORECASE)

# Who is so young is a child, whatever word the question has for it.
_YEARS = r"one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|1[0-5]|[1-9]"
_YOUNG = re.compile(rf"\b(?:{_YEARS})[ -]?(?:(?:years?|yrs?|y)[ -]?old|yo)\b", re.IGNORECASE)
# The screening tool has the name of a word that says nothing, and 'Mr Jones' that of slow release.
_MUST = re.compile(r"\bMUST(?= (?:score|tool|screen))|(?<=\bthe )MUST\b")
_WEEKS = re.compile(r"\b(\d{1,2})/40\b")  # of a pregnancy
_NAMED = re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Dr)\.? [A-Z][a-z]*\b")

# On each line the long form, then the short ones.
_LISTED = """
    abdomen: abdo
    acute kidney injury: aki
    adrenaline: adr epipen
    alcohol: etoh
    alertness: avpu gcs drowsy unresponsive
    amiodarone: amio
    amitriptyline: amitrip
    amoxicillin: amox
    amoxicillin clavulanate: coamox augmentin
    aneurysm aorta: aaa
    angiotensin: arb
    angiotensin converting enzyme: ace acei ramipril lisinopril
    antibiotic vein: ivabx
    antibiotics: abx
    anticoagulant: anticoag anticoagulate anticoagulated anticoagulation thinner
    anticoagulants: anticoags
    antiplatelets: antiplts
    apixaban: apix eliquis
    apixaban rivaroxaban dabigatran: doac noac
    appointment: appt
    appointments: appts
    at once: stat
    atrial fibrillation: af
    bleeding head: ich sah
    blood: bld
    blood cultures: bcs
    blood gas: abg vbg
    blood pressure: bp
    blood pressure high: hypertension
    blood pressure low: hypotensive hypotension
    body mass index: bmi obese
    breaths: rr resps resp tachypnoea
    buprenorphine: bup
    calcium antagonist: ccb
    call: handover
    call four parts: sbar
    cannula: venflon
    capacity: mca
    carbon dioxide: pco2 co2
    catheter: catheterise catheterised foley cath
    catheters: caths
    ceftriaxone: ceftriax
    central line: picc cvc cvl
    cetirizine chlorphenamine: antihistamine
    child: bairn toddler
    children: paeds paed kids kid
    chlorphenamine: chlorphen piriton
    chronic obstructive pulmonary disease: copd
    ciprofloxacin: cipro
    clarithromycin: clari
    clearance: crcl gfr egfr creatinine
    clindamycin: clinda
    clostridioides difficile: cdiff cdi
    clotting screen: coag
    codeine paracetamol: cocodamol
    coma scale alertness: gcs
    computed tomography pulmonary: ctpa
    consent: consented
    consultant: cons
    contrast: dye omnipaque
    creatinine: creat ues bloods egfr
    creatinine clearance: crcl
    creatinine potassium: ues
    ct scan: ct
    ct scan head: cth ctb cthead
    dabigatran: dabi pradaxa
    daily: od
    dalteparin: fragmin
    delirium: confused
    dexamethasone: dex dexa
    diabetes: t2dm dm
    diabetic ketoacidosis: dka
    dialysis: esrf hd dialysed haemofiltration
    diazepam: diaz benzo valium
    diazepam lorazepam: benzos
    diclofenac: voltarol
    dietitian: dietician
    dihydrocodeine: dihydrocod
    discharge: ttos tto tta ttas dc
    doctor: sho fy1 f1 dr
    doctors: drs
    dose: maintenance
    doxycycline: doxy
    drowsy: unconscious
    early warning score: ews news news2 mews
    ecg: ekg
    echocardiogram: echo
    egfr: gfr crcl
    emergency department: ed ae
    emptied: residual residuals
    enoxaparin: clexane lmwh
    exacerbation: exac
    family: nok
    family doctor: gp
    feeding vein: tpn pn
    fentanyl: fent
    flucloxacillin: fluclox
    fluid: bolus aspirate
    fluids: rehydrate rehydration
    fluids saline: hydration prehydration
    fluids vein: ivf
    four times day: qds qid
    fresh frozen plasma: ffp
    full blood count: fbc
    furosemide: furo frusemide lasix
    gadolinium: gad
    gastrostomy tube: peg rig
    gentamicin: gent
    glucose: dextrose bm bms cbg bg
    glucose high: hyperglycaemia
    glucose hypoglycaemia: hypo
    glucose low: hypoglycaemia
    goes with: escort escorts
    group save: gs
    haematologist: haem
    haemoglobin: hb
    haloperidol: haldol
    hartmann solution: hartmanns
    heart disease: ihd
    heart failure: hf ccf
    heart rate: hr
    heparin: ufh heparinise heparinised
    hip broken: nof noff
    hip operation: thr
    history: hx
    hydrocortisone: hydrocort
    hyoscine: buscopan
    hyperkalaemia potassium high: hyperk
    hyperthyroidism: thyrotoxicosis thyrotoxic
    ibuprofen: brufen
    idarucizumab: praxbind
    infection: bacteraemia
    infusion: tci
    infusion vein: ivi
    injection: iv subcut
    inspiratory pressure: ipap
    intensive care: itu icu hdu
    intubation: rsi
    ipratropium: ipra atrovent
    kidney: nephropathy
    kidney disease: ckd
    knee operation: tkr
    lactate: lac
    lewy bodies: dlb lbd
    limits treatment: tep eol
    liver tests: lfts lft
    lorazepam: loraz ativan
    lumbar puncture: lp
    magnesium: mag
    magnesium low: hypomagnesaemia
    magnesium sulphate: mgso4
    major haemorrhage: mhp mtp
    mask bag: nrb
    mean arterial pressure: map
    medicine: med
    medicines: meds
    meropenem: mero
    methotrexate: mtx
    metoclopramide: metoclop maxolon
    metronidazole: metro
    microbiologist: micro
    midazolam: midaz
    morning: mane
    morphine mouth: oramorph
    morphine tablets: mst
    mouth: po
    muscle: im
    mycophenolate: mmf
    myocardial infarction: mi acs nstemi stemi
    nasogastric tube: ng ngt
    nebuliser: nebs neb
    needed breakthrough: prn
    night: nocte
    nitrate: gtn
    non steroidal anti inflammatory: nsaid nsaids
    non-invasive ventilation: bipap niv
    noradrenaline: norad
    nothing mouth fast: nbm npo
    nurse charge: nic
    observations: obs
    omeprazole: losec
    once day: od
    ondansetron: zofran
    operation: preop postop op theatre
    opioid: opiate
    opioids: opiates
    outreach team: ccot
    oxycodone: oxy oxycontin
    oxygen: o2 po2
    oxygen nose: hfno
    paracetamol: calpol
    parkinson: pd parkinsons
    patient: pt
    patients: pts
    penicillin: pen
    pharmacist: pharm
    phosphate: phos po4
    phosphate low: hypophosphataemia
    physiotherapist: physio
    piperacillin tazobactam: tazo tazocin
    platelet: plt
    platelets: plts
    pneumonia: hap
    potassium: k kcl
    potassium high: hyperkalaemia
    potassium low: hypok hypokalaemia
    pre-assessment: preassessment poac
    prednisolone: pred
    pregnant pregnancy: preg
    premedication: premed premeds
    pressure: peep
    propofol: prop
    prothrombin complex: beriplex octaplex pcc
    pulmonary embolism: pe
    pulse: hr tachycardia tachy brady bradycardia
    qtc: qt
    quetiapine: seroquel
    radiograph: cxr
    radioiodine: rai
    rectum: pr
    red cells: rbc prbc transfuse transfused transfusion
    registrar: spr
    renal replacement: rrt crrt
    respiratory rate: rr
    resuscitated: dnacpr dnar dnr cpr
    rivaroxaban: riva xarelto
    salbutamol: salb ventolin
    saturation: sats spo2 desat desats desaturating
    scan: ct
    senna macrogol: laxative laxatives
    sepsis: septic
    serotonin reuptake inhibitor: ssri ssris sertraline citalopram fluoxetine
    sglt2: dapagliflozin empagliflozin
    skin: sc subcut
    sleep apnoea: osa
    slow release: mr sr xl
    sodium: na
    sodium high: hypernatraemia
    sodium low: hyponatraemia
    speech therapist: slt salt
    spinal: lumbar
    spironolactone: spiro
    stroke: cva
    suxamethonium: sux
    swelling: oedema
    systolic blood pressure: sbp
    tablets: po
    teicoplanin: teico
    telephone: ext
    temperature: temp pyrexial pyrexia
    tenecteplase: tnk
    three times day: tds tid
    thromboembolism: pe dvt
    thrombolysis: lysis lysed thrombolysed thrombolyse
    thyroid hormones: tfts tft
    tongue: sl
    tramadol: tramal
    tranexamic acid: txa
    transient ischaemic attack: tia
    troponin: trop
    tube: ng ngt
    twice day: bd bid
    ultrasound: uss
    upper blood pressure: sbp systolic sys
    urine: msu
    urine infection: uti
    urine output: uo oliguria oliguric anuria
    vancomycin: vanc vanco
    vasopressors noradrenaline: pressors
    vein: iv
    vein thrombosis: dvt
    venous thromboembolism: vte
    venous thrombosis: dvt
    vitamin: vit
    vitamins b c vein: pabrinex
    weight: wt
    white cells: wcc wbc
    x-ray: cxr xray
"""


def _long_forms() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in _LISTED.strip().splitlines():
        long, _, short = line.strip().partition(": ")
        for one in short.split():
            found.setdefault(one, []).append(long)
    return found


_LONG = _long_forms()


def plain(question: str) -> str:
    """The question with 'u&e' and 'c diff' as one word each, and without names of people.

    An 'old gent' is no medicine in it, the MUST score no mere 'must', a child is called one, and 24/40 are weeks of a pregnancy.
    """
    told = _MAN.sub(r"\1leman", _JOINED.sub(r"\1", _NAMED.sub("", _WEEKS.sub(r"\1 weeks pregnant", question))))
    return _MUST.sub("malnutrition", _YOUNG.sub(r"\g<0> child", told))


def spelled(question: str) -> list[tuple[str, str]]:
    """The short forms with what they stand for of which the question has one; a short form may stand for several things."""
    text = question.casefold()
    short = [(word, long) for word in dict.fromkeys(re.findall(r"[^\W_]+", text)) for long in _LONG.get(word, ())]
    return short + [(word, long) for word, longs in _LONG.items() for long in longs if " " in long and long in text]


@cache
def short_for(word: str) -> tuple[str, ...]:
    """The short forms and trade names that stand for a word, or for several things it is among."""
    return tuple(short for short, longs in _LONG.items() if any(word in long.split() for long in longs))
