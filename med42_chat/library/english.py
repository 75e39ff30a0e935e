"""What questions in English are made of: words that say nothing of their subject, and those that say little.

Pure data, written from general knowledge of how clinicians ask, for library/gate.py and library/followup.py. A word that is missing here
is taken at its full weight. What words mean stands in assets/lexicon.
"""


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


# Nothing of what a question is about.
EMPTY = _words("""
    a about afraid after again ah all also altogether always am an and another any anybody anyone anything anyway are as ask asked
    asking asks at away back basically be because become been before being both brief briefly bullet bullets but by bye can cant cheers
    colleague colleagues could couldnt currently describe detail detailed details did didnt do does doesnt doing done dont during each
    eg eh either elaborate else english erm err etc evening ever every everything example examples explain far fella few find fine
    first folk folks follow for from further get gets getting give given gives giving go goes going gonna good goodbye got gotta great
    had has have having he hello her here hes hey hi him his hmm honestly how i ie if im in instead into is isnt it its ive just keep
    keeping keeps knew know knowing known knows lass let lets letting like list literally long looked looking looks lot lots makes
    making many may me means meanwhile might mine more morning most much must my myself need needed needs neither no nobodys nor not
    nothing now of off often oh ok okay on once one ones only onto or other others ought our out over own paragraph per please pls plz
    possible put quite rather really rephrase rewrite right said same say saying says see seeing seem seemed seeming seems sees
    sentence sentences set shall she shes short shorten shorter should shouldnt show simple simpler simply since so some somebody
    someone someones something sometimes somewhere soon sorry sort sorts still stuff such summarise summarize summary sure ta table
    take taken takes tell than thank thanks that thats the their them themselves then there therefore theres these they theyre thing
    think thinking thinks this those though thought through to together told too towards translate tried tries try trying um under
    until up upon us use used uses using usual usually very via vs wanna want wanted wanting wants was way we welcome well went were
    what whatever whats whatsoever when whenever where whether which while who whom whose why will with within without wondered
    wondering wonders wont words would write yes yet you your youre yours
""")

# Everyday words, and those by which questions ask: documents often put them otherwise, or leave them to their headings.
WEAK = _words("""
    able accept acceptable accepted access accident accord account achieve across act action actions active activity actual actually
    acute acutely add added addition additional address adequate adjust adjusted adjustment administer administered administration
    admission admits admitted admitting adult adults advance advantage advice advise advised affect afternoon afterwards agent agents
    ago agree agreed ahead aid aim aiming alert allow allowed allowing alone along already alright alternative alternatives although
    amongst amount annual answer answers anyway appear appearance appears applies apply appointment approach appropriate april area
    areas arrange arranged arrival arrive arrived arrives arriving asap asleep aspect aspects assess assessed assessment assessments
    assist associated assume assumed attack attempt attempts attend attention august available average avoid avoided awake award aware
    awoke backup bad bag balance base based baseline basic basis bear bedside bedtime beforehand begin beginning begins behaviour
    behind believe belong below beside besides best better big bigger biggest bit bloke blood body book booked booking books bottom
    break breaks bright bring bringing broad broader brother brought build built busy buy calc calculate calculated calculation call
    called calling calls calm came card care careful carefully carried carry case cases category cause caused causes caution central
    centre certain chance chances change changed changes changing chap characteristics chart charted charts chase chased chasing cheap
    check checked checking chew choice choose choosing chosen chronic chronically circumstances claim classification classified
    classify clean clear clearly clinical clinically clinician close closed closely code cold colour combination combine combined come
    comes comment common commonly compare compared comparison complete completed completely complex complicated compulsory concern
    concerned condition conditions conduct confirm confirmed confirms connect consent consequence consequences consider considered
    constant contact contain contains content contents context continue continued continuing contraindicated contraindication
    contraindications contrary control controlled conversion convert converted cool cope copy correct correctly count counted counting
    counts couple course cover covered covers create criteria criterion crush crushed current currently cut cutoff cycle daily damage
    danger dangerous dangers data date day days deal dealing dealt december decide decided decision decrease decreased deep defer
    deferred definition degree delay delayed deliver delivered demand department depend depending depends depression describes design
    desired despite destination detect deteriorate deteriorated deteriorating determine develop developed developing device devices
    diagnose diagnosed diagnosis diagnostic differ difference different dilute diluted dilution direct directions directly discontinue
    discuss discussed disease diseases disorder display disturb divide divided doctor document documented documents dose dosed doses
    dosing double doubt down drawn drop drops drug drugs dry dual due duration duty earlier earliest early ease easily easy edge
    effectively effort eight elective element elevated eleven eligibility eligible emergencies emergency empty encourage end enough
    ensure entire entirely entry episode episodes equal equals equipment equivalent error escalate escalated escalation escort escorts
    especially essential establish established estimate estimated evaluate evaluated even eventually everybody everyone evidence exact
    exactly exceed exceeds except exception exceptions exclude excluded exclusion exist exists expect expected expire explained
    explanation extend extended extra extreme face facing fact factor factors fail failed failing fails failure fall fast faster
    feature features february feel feels field fifteen fifty fill filled final finally finding finds finish finished finishes fit
    fitted fix flag flow focus folding following food force forget forgets forgot forgotten form formal former forms formula fortnight
    forty forward found frequency frequently fresh friday fridays friend front full fully function functions future g gain gap gave
    general generally gentle gentleman glass goal gone grab grabbed grade graded gradual gradually greater group grow guidance guide
    guideline guidelines guy guys half halfway hand handle handled handover hands handy hangs happen happened happening happens happy
    hard hca hear heard heat heavy height held help hence hidden high higher highest hint hold holding hope hot hour hours house hr hrs
    huge human hundred idea ideal ideally identified identify ignore ill illness immediate immediately impact impaired impairment
    implement imply importance important impossible improve improved improvement include included includes increase increased increases
    indicate indicated indication indications induced inform information initial initially inject injected injection insert inserted
    insertion inside instruct instructed instruction instructions intend intended intensity intention interest internal interpret
    interpretation interpreted interrupt interrupted interval intervals introduce invalid investigate investigated investigation
    investigations involve issue item items january join judge july june justify kept key kg kgs kind kinds l label labelled lack lady
    laid large larger largest last lasting lasts late later latest lay lead leading leads learn least leave leaves leaving left lend
    length less level levels lie lies lift light likely limit limits line lines link listed listen litre litres little live load
    loading loads local location look lose loses loss lots loud low lower lowest lying made main mainly maintain maintained maintenance
    major majority make man manage managed management managing mandatory manner manual march mark marked match matter matters max
    maximal maximum maybe mcg meal meals mean means measure measured med medical medication medications medicine medicines meds member
    members mention mentioned mentioning mentions met method mg mgs microgram micrograms middle mild mildly min mind mini minimum minor
    mins minute minutes miss missed missing misuse mix mixed mixture ml mls mmol mode moderate modified modify moment monday mondays
    money monitor monitored monitoring month months move moved moving multiple name named names narrow natural nature near nearly neat
    necessary needing negative net new newly news next night nights nine nobody non none normal normally note noted notes notice
    noticed noticing notify nought november now nowadays nurse nursing object objective observation observations observe observed
    obtain obtained obvious obviously occasion occasionally occasions occur occurs oclock october offer offered old older omit omitted
    opinion opposite optimal option options order ordered ordering orders organise otherwise outcome outcomes outline output outside
    overall overnight owing pack page pair parallel parameter parameters parent part partial particular partly partway pass passed
    passes past path pathway patience patient patients pattern pause paused pay peak people percent percentage perfect perform
    performed period permanent permit permits permitted person personal pharmacist pharmacy phase phone phoned phrase physical
    physically pick picked picking picture piece place placed plan planned planning plans play pleasant plenty pls plz pm point policy
    poor popped popping position positioned positive possibility post potential practical practice pre precaution precautions prefer
    preferable preferably preference preferred preparation prepare prescribe prescribed prescriber prescribes prescribing prescription
    prescriptions presence present presentation presented presents preserve pressing prevent prevented preventing prevention preventive
    prevents previous previously primary principle principles print prior probable probably problem procedure proceed process produce
    product professional profile progress prolonged promise promote prompt prompts proof proper properly prophylactic proportion
    propose proposed protect protected protection protocol proven provide provided provides public pull purpose purposes push qualify
    quality question questions quick quickly quiet radius raise raised raises random rang range rapid rapidly rare rarely rate rates
    ratio rationale reach reached react read reading readings ready real realise reason reasonable reasons reassess reassessed receive
    received receives recent recently recheck reckon reckoned recognise recognised recognition recommend recommendation recommendations
    recommended recommends reconsider record recorded recover recovered recovery redo redose reduce reduced reduction refer referral
    referred refers refuse refused refuses regard regarding regime regimen regimes region regular regularity regularly rejected relate
    related relation relationship relative relatively release relevant reliable relief relieve rely remain remaining remains remark
    remember remind removal remove removed removing repeat repeated repeating replace replaced replacement replied reply report
    reported require required requirement requires rescue rescued resident residual resist resistant resolve resolved resource respect
    respond response responses responsibility responsible rest restart restarted restarting restrict restricted restriction
    restrictions result results resume resumed retain retained return reveal review reviewed reviews rich ringing rise rises rising
    risk risks risky role roles room root roughly round route routes routine routinely row rule rules run safe safely safety sake
    sample sat satisfied satisfy saturday saturdays save saw scale scales scenario scene schedule scheduled scheme scope screen
    screened screening search sec second seconds secs section sections seek seen select selected selection send sending sends sense
    sensible sensitive sent separate separately september sequence series serious serve service services session setting settings
    settle several severe severely severity shake shape share sharp sheet shift shouted shown shows sick sign signs similar single
    sister sit site sites sitting situation six sixty size sized skip skipped skipping sleeping slight slightly slow slower slowly
    small smaller smallest society soft sole solid solution solve sometimes somewhat somewhere sooner sorted sorting source space spare
    special specialist specific speed spend spent split spotted spread stable staff stage stand standard standing stands start started
    starting starts state stated statement stay stayed staying stays steady steer step steps stood stop stopped stopping stops straight
    strategy stress strict strictly strong stronger structure struggle struggles struggling subject submit subsequent subsequently
    substitute succeed success successful sudden suddenly suffer suffering suffers suffice sufficient suggest suggested suggests
    suitable sum sunday sundays supplied supply support suppose supposed surely surface surgeon surprised suspect suspected swallowed
    switch switched switching symptom symptoms syndrome system systems tackle tail taking talk target tasks teach team technique
    telling tells ten tend term terms test tests therapeutic therapy thick third thirteen thirty thousand threat threatening three
    threshold thresholds thrice throughout thursday thursdays time times timing timings title today tolerance tolerate tolerated
    tomorrow tonight took tool tools top topic total toward track train trained transfer transferred transport travel treat treated
    treating treatment treatments trial trigger triggered triggers trouble true trust truth try tuesday tuesdays turn turned turning
    turns twelve twenty twice two type types typical ultimate unable unclear undergo undergoing undergone underlying understand
    unexpected unit units unless unlikely unnecessary unsure untreated unusual update upper urgent urgently usable useful useless valid
    validated value values variable variation variety various vary version versus view visible visit volume vs vulnerable wait waiting
    waking walk walked ward wards warm warn warning warnings warranted warrants wash watch water weak wear wednesday wednesdays week
    weekday weekdays weekend weeks whole wide wider window wish withdraw withdrawn woke wonder word worded work world worried worries
    worry worrying worse worsen worsening worst worth writing written wrong wrongly wrote year years yesterday yo young younger yr yrs zero
    farmer homeless lad mr mrs ms nan player pt pts student teacher
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
