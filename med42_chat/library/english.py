"""What questions in English are made of: words that say nothing of their subject, and those that say little.

Pure data, written from general knowledge of how clinicians ask, for library/gate.py and library/followup.py. A word that is missing here
is taken at its full weight. What words mean stands in assets/lexicon.
"""


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


# Nothing of what a question is about.
EMPTY = _words("""
    a about after again all also always am an and another any anybody anyone anything are as ask at away back be because become been
    before being both brief briefly bullet bullets but by bye can cheers could describe detail detailed details did do does doing
    done during each either elaborate else english evening ever every everything example examples explain far few find fine first
    follow for from further get give given gives giving go goes going good goodbye got great had has have having he hello her here
    hey hi him his how i if in instead into is it its just keep know let like list long many may me might mine more morning most
    much must my myself need needed needs neither no nor not nothing now of off often ok okay on once one only onto or other others
    ought our out over own paragraph per please possible put quite rather really rephrase rewrite right said same say see seem
    sentence sentences set shall she short shorten shorter should show simple simpler simply since so some somebody someone
    something sometimes soon sorry still such summarise summarize summary sure table take taken takes tell than thank thanks that
    the their them themselves then there therefore these they thing think this those though through to together told too towards
    translate under until up upon us use used uses using usual usually very via want wanted wants was way we welcome well went were
    what whatever when whenever where whether which while who whom whose why will with within without words would write yes yet you
    your yours
""")

# Everyday words, and those by which questions ask: documents often put them otherwise, or leave them to their headings.
WEAK = _words("""
    able accept acceptable accepted access accident accord account achieve across act action actions active activity actual actually
    acute add added addition additional address adequate adjust adjusted adjustment administer administered administration admission
    admitted adult adults advance advantage advice advise advised affect afternoon afterwards agent agents ago agree agreed ahead aid
    aim aiming alert allow allowed alone along already alternative alternatives although amongst amount annual answer answers anyway
    appear appearance appears applies apply appointment approach appropriate area areas arrange arranged arrival arrive arrives asap
    asleep aspect aspects assess assessed assessment assessments assist associated assume assumed attack attempt attempts attend
    attention available average avoid avoided awake award aware backup bad bag balance base based baseline basic basis bear bedside
    bedtime beforehand begin beginning begins behaviour behind believe belong below beside besides best better big bigger biggest bit
    blood body bottom break breaks bring broad broader brought build built busy buy calc calculate calculated calculation call called
    calm came card care careful carefully carried carry case cases category cause caused causes caution central centre certain chance
    chances change changed changes characteristics chart charted charts cheap check checked checking chew choice choose choosing
    chosen chronic circumstances claim classification classified classify clean clear clearly clinical clinically clinician close
    closed closely code cold colour combination combine combined come comes comment common commonly compare compared comparison
    complete completed completely complex complicated compulsory concern concerned condition conditions conduct confirm confirmed
    confirms connect consent consequence consequences consider considered constant contact contain contains content contents context
    continue continued continuing contraindicated contraindication contraindications contrary control controlled conversion convert
    converted cool cope copy correct correctly count counting counts couple course cover covered covers create criteria criterion
    crush crushed current currently cut cutoff cycle daily damage danger dangerous dangers data date day days deal dealt decide
    decided decision decrease decreased deep defer deferred definition degree delay delayed deliver delivered demand department depend
    depending depends depression describes design desired despite destination detect deteriorate deteriorated deteriorating determine
    develop developed developing device devices diagnose diagnosed diagnosis diagnostic differ difference different dilute diluted
    dilution direct directions directly discontinue discuss discussed disease diseases disorder display disturb divide divided doctor
    document documented documents dose dosed doses dosing double doubt down drawn drop drops drug drugs dry dual due duration duty
    earliest early ease easily easy edge effectively effort elective element elevated eligibility eligible emergencies emergency empty
    encourage end enough ensure entire entirely entry episode episodes equal equals equipment equivalent error escalate escalated
    escalation escort escorts especially essential establish established estimate estimated evaluate evaluated even eventually
    everybody everyone evidence exact exactly exceed exceeds except exception exceptions exclude excluded exclusion exist exists
    expect expected expire explained explanation extend extended extra extreme face facing fact factor factors fail failed failing
    fails failure fall fast faster feature features feel feels field fill filled final finally finish fit fitted fix flag flow focus
    folding following food force forget forgotten form formal former forms formula forward found frequency frequently fresh friend
    front full fully function functions future g gain gap general generally gentle glass goal gone grade graded gradual gradually
    greater group grow guidance guide guideline guidelines half hand handle handled handover hands happen happened happening happens
    hard hear heard heat heavy height held help hence hidden high higher highest hint hold hope hot hour hours house huge human idea
    ideal ideally identified identify ignore ill illness immediate immediately impact impaired impairment implement imply importance
    important impossible improve improved improvement include included includes increase increased increases indicate indicated
    indication indications induced inform information initial initially inject injected injection insert inserted insertion inside
    instruct instructed instruction instructions intend intended intensity intention interest internal interpret interpretation
    interpreted interrupt interrupted interval intervals introduce invalid investigate investigated investigation investigations
    involve issue item items join judge justify kept key kg kind kinds l label labelled lack lady large larger largest last lasting
    lasts late later latest lay lead leading leads learn least left lend length less level levels lie lift light likely limit limits
    line lines link listed listen little live load loading local location look lose loses loss lots loud low lower lowest lying made
    main mainly maintain maintained maintenance major majority make man manage managed management managing mandatory manner manual
    mark marked match matter matters max maximal maximum maybe mcg meal meals mean means measure measured med medical medication
    medications medicine medicines meds member members mention mentioned met method mg micrograms middle mild mildly min mind mini
    minimum minor minute minutes miss missed misuse mix mixed mixture ml mmol mode moderate modified modify moment money monitor
    monitored monitoring month months move moved moving multiple name narrow natural nature near nearly neat necessary needing
    negative net new newly news next night nights nobody non none normal normally note noted notes notice notify nought now nurse
    nursing object objective observation observations observe observed obtain obtained obvious occasion occasionally occasions occur
    occurs offer offered old older omit omitted opinion opposite optimal option options order ordered organise otherwise outcome
    outcomes outline output outside overall overnight owing pack page pair parallel parameter parameters parent part partial
    particular partly pass passed passes past path pathway patience patient patients pattern pause paused pay peak people percent
    percentage perfect perform performed period permanent permit permitted person personal pharmacist pharmacy phase phone phrase
    physical physically pick picture piece place placed plan planned play pleasant pls plz point policy poor position positioned
    positive possibility post potential practical practice pre precaution precautions prefer preferable preferably preference
    preferred preparation prepare presence present presentation presented presents preserve pressing prevent prevented preventing
    prevention preventive prevents previous previously primary principle principles print prior probable probably problem procedure
    proceed process produce product professional profile progress prolonged promise promote prompt prompts proof proper properly
    prophylactic proportion propose proposed protect protected protection protocol proven provide provided provides public pull
    purpose purposes push qualify quality question questions quick quickly quiet radius raise raised raises random range rapid rapidly
    rare rarely rate rates ratio rationale reach reached react read reading readings ready real realise reason reasons reassess
    reassessed receive received receives recent recently recheck recognise recognised recognition recommend recommendation
    recommendations recommended recommends reconsider record recorded recover recovered recovery redo redose reduce reduced reduction
    refer referral referred refers refuse refused refuses regard regarding regime regimen regimes region regular regularity regularly
    rejected relate related relation relationship relative relatively release relevant reliable relief relieve rely remain remaining
    remains remark remember remind removal remove removed removing repeat repeated repeating replace replaced replacement report
    reported require required requirement requires rescue rescued resident residual resist resistant resolve resolved resource respect
    respond response responses responsibility responsible rest restart restarted restarting restrict restricted restriction
    restrictions result results resume resumed retain retained return reveal review reviewed reviews rich rise rises rising risk risks
    risky role roles room root roughly round route routes routine routinely row rule rules run safe safely safety sake sample
    satisfied satisfy save scale scales scenario scene schedule scheduled scheme scope screen screened screening search second section
    sections seek seen select selected selection send sending sends sense sensible sensitive sent separate separately sequence series
    serious serve service services session setting settings settle severe severely severity shake shape share sharp sheet shift shown
    shows sick sign signs similar single sit site sites situation six size sized skip skipped sleeping slight slightly slow slower
    slowly small smaller smallest society soft sole solid solution solve sometimes somewhat somewhere source space spare special
    specialist specific speed spend spent split spread stable staff stage stand standard stands start started starting starts state
    stated statement stay stayed stays steady step steps stood stop stopped stopping stops straight strategy stress strict strictly
    strong stronger structure subject submit subsequent subsequently substitute succeed success successful sudden suddenly suffer
    suffering suffers suffice sufficient suggest suggested suggests suitable sum supplied supply support surely surface surgeon
    surprised suspect suspected swallowed switch switched switching symptom symptoms syndrome system systems tackle tail taking talk
    target tasks teach team technique ten tend term terms test tests therapeutic therapy thick third threat threatening three
    threshold thresholds time times timing timings title today tolerance tolerate tolerated tomorrow tonight tool tools top topic
    total toward track train trained transfer transferred transport travel treat treated treating treatment treatments trial trigger
    triggered triggers trouble true trust truth try turn turned twelve twice two type types typical ultimate unable unclear undergo
    undergoing undergone underlying understand unexpected unit units unless unlikely unnecessary unsure untreated unusual update upper
    urgent urgently usable useful useless valid validated value values variable variation variety various vary version versus view
    visible visit volume vs vulnerable wait waiting walk ward wards warm warn warning warnings warranted warrants wash watch water
    weak wear week weekend weeks wide wider window wish withdraw withdrawn wonder word worded work world worry worse worsen worsening
    worst worth written wrong year years yesterday young younger zero
""")

# What may stand beside the names in a question that only names something else.
LITTLE = _words("""
    a about also an and at but for great he how if in instead not of ok okay on or plus please same she so takes taking thank thanks the
    then they to too what with without yes you
""")

# Things of one kind that take each other's place when a question is asked once more: 'and vancomycin?' after one on gentamicin.
ALTERNATIVES: tuple[frozenset[str], ...] = (
    _words("""
        acetylcysteine aciclovir adrenaline alendronate alfentanil allopurinol alteplase amikacin aminoglycoside aminoglycosides amiodarone
        amitriptyline amlodipine amoxicillin ampicillin analgesia analgesic analgesics antibiotic antibiotics anticoagulant anticoagulants
        antidepressant antidepressants antiemetic antiemetics antihistamine antihistamines antimicrobial antiplatelet antiplatelets
        antipsychotic antipsychotics apixaban aripiprazole aspirin atenolol atorvastatin azathioprine azithromycin aztreonam baclofen
        bendroflumethiazide benzodiazepine benzodiazepines benzylpenicillin betablocker betablockers betamethasone bisacodyl bisoprolol
        bivalirudin bronchodilator bronchodilators bumetanide buprenorphine candesartan carbamazepine carbimazole carvedilol cefotaxime
        ceftriaxone cefuroxime celecoxib cetirizine chlordiazepoxide chlorphenamine ciclosporin ciprofloxacin citalopram clarithromycin
        clindamycin clonazepam clopidogrel clozapine cobalamin codeine colchicine corticosteroid corticosteroids cyclizine dabigatran
        dalteparin dapagliflozin dexamethasone diazepam diclofenac digoxin diltiazem diuretic diuretics doac doacs docusate domperidone
        doxazosin doxycycline duloxetine edoxaban empagliflozin enalapril enoxaparin erythromycin esomeprazole fentanyl flucloxacillin
        fluconazole fluoxetine folate fondaparinux furosemide gabapentin gentamicin gliclazide glucagon haloperidol heparin hydrocortisone
        hydroxychloroquine hypnotic hypnotics ibuprofen idarucizumab indapamide insulin ipratropium ispaghula ketamine labetalol lactulose
        lamotrigine lansoprazole laxative laxatives letrozole levetiracetam levodopa levothyroxine linezolid lisinopril lithium loratadine
        lorazepam losartan macrogol melatonin meropenem metformin methotrexate methylprednisolone metoclopramide metoprolol metronidazole
        midazolam mirtazapine montelukast morphine mycophenolate naloxone naproxen neuroleptic nifedipine nitrofurantoin nitroglycerin noac
        noacs noradrenaline nsaid nsaids olanzapine omeprazole ondansetron opiate opiates opioid opioids oxybutynin oxycodone painkiller
        painkillers pantoprazole paracetamol phenobarbital phenytoin piperacillin plasmalyte prasugrel pravastatin prednisolone prednisone
        pregabalin prokinetic prokinetics promethazine propofol propranolol protamine quetiapine ramipril rifampicin risperidone rituximab
        rivaroxaban rocuronium rosuvastatin salbutamol saline sedative sedatives senna sertraline sildenafil simvastatin sitagliptin sotalol
        spironolactone statin statins steroid steroids sulfasalazine suxamethonium tacrolimus tamoxifen tamsulosin teicoplanin temazepam
        terbutaline theophylline thiamine thinner thinners ticagrelor tinzaparin tobramycin topiramate tramadol trimethoprim valproate
        vancomycin vasopressin vasopressor vasopressors venlafaxine verapamil vitamin vitamins warfarin zopiclone
    """),
    *map(
        _words,
        """
        potassium sodium magnesium phosphate calcium zinc iron selenium copper glucose
        ct mri ultrasound radiograph
        pulse temperature breaths saturation pressure
        children child adults adult neonates elderly women men
        pharmacist microbiologist haematologist cardiologist nephrologist neurologist radiologist anaesthetist surgeon dietitian
        """.strip().splitlines(),
    ),
)
