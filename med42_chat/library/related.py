"""Words of one matter: where a question has one and a passage another, they may well mean the same. Pure data, for library/gate.py.

Looser than the words for the same in english.py, and so each counts for less. Written from general knowledge of how clinicians on British
and American wards ask, by area; no fact of treatment stands here. A word may stand in several lines.
"""


def _lines(listed: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(line.split()) for line in listed.strip().splitlines())


RELATED: tuple[frozenset[str], ...] = _lines("""
    accompany accompanies accompanied escort escorted chaperone goes travel travels
    attend attends attended arrive arrives arrived come comes came present presents review reviewed reviews visit visits seen sees
    decide decides decided decision judge judged chosen choose choice agree agrees agreed approve approves authorise sign signs signed
    permit permits permitted permission allow allowed allows acceptable banned forbidden prohibited never safe okay
    need needs needed require required requires requirement necessary mandatory compulsory must indicated warranted
    record recorded records write written writes document documented notes chart charted charts log logged entry
    ask asked asks question questions enquire query history
    inform informed informs notify notified report reported reports alert alerted escalate escalated escalation discuss discussed told tell
    inform contact contacted ring rang bleep page paged phone call called calls telephone number
    stay stays stayed remain remains wait waits watch watched watches observe observed observation keep kept
    observe observed observation observations obs monitor monitored monitoring monitors watched vitals measured
    increase increased increases raise raised raises rise rises titrate titrated uptitrate higher advance step
    decrease decreased reduce reduced reduction lower lowered taper tapered tapering wean weaned weaning brought down slow slower
    halve halved halves half fifty
    double doubled doubles doubling twice
    remove removed removal removing withdrawn pull pulled extracted out
    insert inserted insertion inserting place placed placing put sited pass passed introduced
    replace replaced replacement supplement supplements supplemented supplementation correct corrected correction top repletion
    repeat repeated repeats again recheck rechecked retest redo redone remeasure another
    replace substitute substituted alternative instead switch switched change changed swap swapped
    switch switched switching change changed changes changing convert converted conversion stepdown oral
    last latest final finish end ends ended
    first initial initially start starting begins began beginning
    delay delayed wait waits hold held postpone postponed late
    throw thrown discard discarded waste
    teach teaching training trained course learn learning education refresher
    audit audited counted count counts statistics figures
    husband wife son daughter mother father parent parents brother sister relative relatives family kin
    visitor visitors relative relatives family
    home house discharge discharged leave leaves
    night nights overnight nocturnal
    leaflet leaflets booklet information handout
    side sides rail rails cotside cotsides
    company volunteer volunteers sitter companion
    spectacles glasses
    mobilise mobilised mobilize mobility walk walked walks ambulate ambulation
    colour color coloured yellow purple red green blue
    cost costs price expensive
    bottle bottles tube vial vials container
    bag bags bottle
    urgent urgently emergency emergencies immediately stat
    duration length course long days weeks
    frequency frequently hourly daily weekly
    speed rate rapidly faster slow
    temperature hot cold fever warm
    hour hours hourly overnight
    confused confusion muddled disoriented disorientated disorientation bewildered altered
    agitated agitation aggressive aggression violent combative distressed distress restless
    hallucination hallucinations hallucinating seeing paranoid
    tranquillise tranquillised tranquilliser sedate sedated sedation sedative sedatives haloperidol lorazepam
    drowsy sleepy somnolent unrousable obtunded quiet
    withdrawal withdrawing withdraws tremens detox detoxification
    alcohol alcoholic alcoholics alcoholism drinker drunk
    malnourished malnutrition malnourishment starved starvation anorexic anorexia underweight emaciated cachectic
    nutrition nutritional feed feeding feeds food fed
    calories kcal energy requirement requirements
    nasogastric gastric tube tubes ng
    parenteral vein intravenous tpn
    swallow swallows swallowing dysphagia dysphagic
    aspirate aspirates aspiration fluid residual residuals
    acid acidity ph
    gullet oesophagus oesophageal oesophagectomy esophagectomy
    stomach gastrectomy gastric
    varices variceal
    gut bowel ileus obstruction
    vomit vomits vomiting vomited emesis nausea nauseated sick
    stool stools bowels motion motions diarrhoea loose
    constipated constipation laxative laxatives
    electrolyte electrolytes potassium magnesium phosphate calcium sodium bloods
    salt salts sodium
    infuse infusion drip infusions pump syringe
    rinse rinsed flush flushed flushing unblock
    gravity bolus feed
    gall gallbladder cholecystectomy chole biliary
    hernia herniorrhaphy herniotomy
    bowel colectomy hemicolectomy colorectal colon laparotomy
    kidney nephrectomy urology
    hip knee orthopaedic arthroplasty replacement
    hip femur femoral neck nof fracture fractured broken
    spine spinal laminectomy discectomy back
    spinal epidural neuraxial regional lumbar anaesthesia anaesthetic
    epidural catheter
    cataract phaco eye eyes
    tooth teeth dental extraction extractions wisdom
    skin lesion mole biopsy excision dermatology
    procedure procedures operation surgery surgical theatre operative
    preoperative preop preoperatively preassessment before
    postoperative postop postoperatively after
    anaesthetist anaesthetic anaesthesia anesthesiologist anesthesiology
    surgeon surgical surgery
    bleed bleeding bleeds bled haemorrhage haematoma oozing ooze
    thrombosis thromboembolism embolism embolus clot dvt pe vte
    reverse reversed reverses reversal reversing antidote antidotes
    anticoagulation anticoagulated anticoagulant anticoagulants thinner
    bridge bridged bridging
    valve valves prosthetic mechanical metallic metal
    fibrillation af
    prophylaxis prophylactic preventive prevention
    transfuse transfusion transfused cells unit units
    anaemia anaemic haemoglobin
    platelet platelets thrombocytopenia
    neutropenia neutropenic leucopenia leukopenia white
    neutrophil neutrophils white cells
    red rash flush flushed flushing itchy itch
    hives urticaria rash itch
    anaphylaxis anaphylactic anaphylactoid reaction severe
    allergy allergic allergies intolerance sensitivity reaction
    wheeze wheezy bronchospasm
    shock hypotension pressure
    swelling swollen oedema angioedema
    shellfish seafood iodine
    contrast dye media iodinated intravenous
    scanner scan scanned ct imaging
    radiology radiologist radiographer imaging scan
    radioiodine radioactive iodine
    thyroid goitre goiter thyrotoxicosis hyperthyroidism thyrotoxic graves hyperthyroid
    breastfeeding breast lactating lactation nursing milk
    pregnant pregnancy gestation antenatal maternity obstetric
    newborn neonate neonatal baby infant
    cannula cannulas cannulae venflon needle line peripheral gauge
    cannula central picc line port
    extravasation extravasated extravasate extravasates leak leaked infiltration infiltrated tissued beside
    plastic plastics surgeon
    blister blisters blistering
    numb numbness tingling feeling sensation
    weak weakness power
    kidney renal nephropathy kidneys aki ckd
    renal egfr creatinine clearance gfr
    hydrate hydration hydrated prehydration fluids saline drink drinks
    dialysis dialysed haemofiltration filtration
    deaf deafness hearing ototoxicity audiology audiogram
    ear ears hearing tinnitus
    dizzy dizziness giddiness vertigo balance
    obese obesity overweight weight bmi
    weigh weighs weighed weight
    estimate estimated estimates guessed guess approximate
    level levels trough troughs concentration assay predose
    sample samples taken drawn draw venepuncture
    lab laboratory processed process analysed
    form request forms card
    microbiology microbiologist micro
    infection infected infections infective
    sepsis septic septicaemia bacteraemia infection
    antibiotic antibiotics antimicrobial antimicrobials
    culture cultures swab
    difficile clostridium clostridioides
    mrsa staphylococcus staphylococcal
    endocarditis valve
    bone osteomyelitis bones
    pneumonia chest
    cirrhosis cirrhotic liver
    liver hepatic hepatitis
    myasthenia myasthenic gravis
    parkinson parkinsonism parkinsons
    dementia alzheimer demented memory
    memory cognitive cognition
    seizure seizures epilepsy epileptic convulsion eeg
    heart cardiac monitor telemetry ecg
    breathless breathlessness breathing dyspnoea breaths respiratory
    respirations respiratory breaths rr breathing
    pulse rate heart tachycardic bradycardic
    oxygen supplemental hypoxic hypoxia saturation saturations desaturation
    mask bag reservoir
    retainer retainers copd hypercapnic hypercapnia dioxide
    systolic pressure hypotensive upper
    conscious consciousness alertness voice unresponsive
    urine output oliguria oliguric passing voiding
    retention bladder catheter
    catheter catheters catheterise catheterised
    lactate lactic
    outreach critical
    icu intensive critical hdu
    resuscitation resuscitated cpr arrest dnacpr dnr ceiling limits
    ceiling limits escalation palliative
    arrest arrests debrief debriefed
    debrief review talked discuss
    worry worried worries concern concerns concerned gut
    nurse nurses nursing sister
    doctor doctors registrar consultant physician medic
    drive driving drives driver
    fast fasting fasted starve eating nil
    eat eats eating food drink
    crush crushed crushing tablets capsule capsules
    tablet tablets oral capsule capsules pill pills mouth
    coating coated enteric
    release modified sustained slow
    injection inject injected injections intramuscular muscle
    painkiller painkillers analgesia analgesic pain nsaid nsaids ibuprofen
    vitamin vitamins thiamine multivitamin
    insulin hypoglycaemia glucose sugar
    diabetic diabetes diabetics
    sugar glucose dextrose
    steroid steroids prednisolone hydrocortisone
    premedication premed premedicate
    weekend saturday sunday weekends
    evening morning afternoon midday
    age aged older elderly years
    child children paediatric adolescent teenager
    interest best
    capacity capacitous consent incapacity lacks
    ct head brain
    blood bloods tests
    number telephone phone extension contact dial
""")
