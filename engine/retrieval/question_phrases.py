"""The phrases by which questions about documents are told: follow-ups, counting questions, and where to look."""

from __future__ import annotations

import re
from typing import Literal

__all__ = [
    "ASKS_OF",
    "ASKS_WHICH",
    "COUNTING",
    "EXPLETIVE",
    "FILES",
    "FILLER",
    "FROM_PAPER",
    "HOW_MANY",
    "INTRO",
    "IN_FOLDER",
    "IN_LIBRARY",
    "KIND_OF_FILE",
    "LEANS_EASTERN",
    "LEANS_FOREIGN",
    "NOUNS",
    "ONLY_IN",
    "ORDINAL",
    "PAPERS",
    "PAPER_SAYS",
    "PAPER_WORDS",
    "PARTICLES",
    "PARTLY",
    "PLACE_END",
    "PLACE_WORD",
    "POINTS_AT_PAPERS",
    "RELATION",
    "SAID_OF",
    "SAYS",
    "SHORT_PHRASE",
    "TASK",
    "THE",
    "VAGUE",
    "WHERE",
    "WHICH",
    "WHOLE_WISH",
]

# ---------------------------------------------------------------- follow-ups

RELATION = re.compile(
    r"(?i)^(?:so |ok,? |then )?(?:(?:what|which|who|when|how (?:\w+))(?:'s| is| are| was| were| would be) (?:the "
    r"|their |any )|(?:are|is|were|was) there (?:any |an? )?(?:known )?|(?:tell me|give me|show me|list|explain"
    r"|describe) the |any |the )(?:(?:main|other|exact|possible|most important|biggest|common|key|actual|final|usual"
    r"|new|next|previous|full|first|last|current|long-term|immediate) )?(?:consequences?|units?|causes?|reasons?"
    r"|effects?|side effects?|results?|outcomes?|benefits?|advantages?|disadvantages?|drawbacks?|downsides?|upsides?"
    r"|symptoms?|risks?|dangers?|exceptions?|requirements?|prerequisites?|differences?|ingredients?|steps|dimensions"
    r"|properties|implications|limitations?|alternatives?|penalt(?:y|ies)|details|conditions|circumstances"
    r"|assumptions?|proof|derivation|formula|definition|aftermath|background|context|maximum|minimum|limit|deadline"
    r"|reasoning|solutions?|total|sum|difference|author|title|victims?|participants?|others?|rest|next steps?"
    r"|conclusions?|findings?|impact|significance|opposite|criteria|pros and cons|total cost|catch|source|time "
    r"limit)(?: then| again| exactly| please)?\W*$|^(?:was|welche[sr]?|wie|gibt es)\b.{0,12} (?:(?:die|der|das|dafür"
    r"|es|davon) )?(?:folgen|ursachen?|gründe?|ausnahmen?|vorteile|nachteile|risiken|nebenwirkungen|schritte|zutaten"
    r"|einheiten?|bedingungen|voraussetzungen|symptome|auswirkungen|ergebnisse?|alternativen?)\W*$|^(?:quel(?:le)?s? "
    r"(?:sont|étaient|est|était|furent) |y a-t-il )(?:les |la |le |l'|des )(?:conséquences?|causes?|raisons?"
    r"|exceptions?|avantages|inconvénients|risques|symptômes|étapes|ingrédients|unités?|conditions|effets(?: "
    r"secondaires)?|résultats?|alternatives)\W*$|^¿?(?:cuál(?:es)? (?:son|fueron|es|fue|era)|qué|hay) (?:las? |los? "
    r"|el )?(?:consecuencias?|causas?|razones|excepciones|ventajas|desventajas|riesgos|síntomas|pasos|ingredientes"
    r"|unidades|condiciones|efectos(?: secundarios)?|resultados?|alternativas)(?: hubo| tuvo| hay)?\W*$|^(?:原因|結果"
    r"|影響|理由|単位|例外|材料|手順|条件|メリット|デメリット|リスク)(?:は|って)?(?:何|なん|どう|どこ|いつ"
    r"|あり).{0,8}$|^(?:后果|结果|原因|影响|理由|单位|例外|材料|步骤|条件|优点|缺点|风险)(?:是|有)(?:什么|哪些"
    r"|多少).{0,3}$|^(?:how come|says who|what for|what exactly|in total|how much in total|and if not|is that all"
    r"|what else|anything else)\W*$"
)
"""A question for what only another thing can have: its consequences, its units."""
LEANS_FOREIGN = re.compile(
    r"(?i)\b(?:davon|dafür|damit|dazu|daran|darin|dabei|dessen|deren|ihn|ihm|diese[rnsm]?|jene[rnsm]?)\b|\b(?:ist"
    r"|sind|hat|haben|kostet|kosten|gilt|gelten|dauert|kann|darf|muss|bedeutet|wurde|wird|war)\s+(?:er|sie|es|das"
    r"|dies)\b(?! (?:erlaubt|möglich|nötig|verboten|eine?|der|die))|-t?-?(?:ils?|elles?)\b|\b(?:ça|cela|ceci|celui-ci"
    r"|celle-ci|ceux-ci|celles-ci)\b|\bl['’](?:a|ont|avait)\b|\b(?:eso|esto|ello|aquello|ellos|ellas)\b|\b(?:er|sie"
    r"|es|ihn|das)\W*$|^¿?(?:qué|cuándo|cómo|dónde) \w+\?$|\b(?:quién|cuándo|cómo|dónde) l[oae]s? \w+\s*\?*$"
)
LEANS_EASTERN = re.compile(
    r"^(?:それ|そこ|その|これ(?!まで)|彼|あれ|では|じゃあ|(?:なぜ|どうして|いつ|誰|どこ)(?:です|が)?か?[?？]*$)"
    r"|^.{1,12}(?:は|も|なら|だと|の場合は?)[?？]$|呢[?？]?$|^(?:那|它|他|她|怎么会|这(?!份|个文件|篇))|^(?:いつ|どこ"
    r"|誰|いくら)[^はがの]{0,12}$|^(?:もっと詳しく|詳しく(?:教えて|説明して)|例えば|请?详细(?:说明|解释|说说)"
    r"|举个例子|还有(?:吗|什么)?[?？]?$)|^(?:为什么|为何|什么时候|多久|多少钱|在哪里?|谁)[?？]?$|^.{0,8}(?:它们?|他们"
    r"|她们)"
)
EXPLETIVE = re.compile(
    r"(?i)\bit(?:'s| is| was| be)?\s+(?:(?:still|really|ever|also|even|an?|more|very|too|not)\s+)*(?:possible"
    r"|(?:il)?legal|allowed|okay|ok|necessary|required|true|safe|better|best|easy|hard|difficult|mandatory|compulsory"
    r"|forbidden|permitted|important|worth|common|normal|time|acceptable|appropriate|advisable|good|bad|idea|enough"
    r"|late|early|cheaper|obligatory|sufficient)\b.*?\b(?:to|that|for|if|when|who)\s+\S+\s+\S+|\bit\s+(?:take|cost"
    r"|mean|matter|make sense|require|become)s?\b.*?\b(?:to|if|when|that|for)\s+\S+\s+\S+|\btime (?:is it|it is)\b"
    r"|\bit (?:rains?|snows?|is called)\b|\bis it (?:called|said|raining|like to|that)\b"
)
ORDINAL = re.compile(
    r"(?i)\b(?:the )?(?P<word>first|second|third|fourth|fifth|last|former|latter|[1-5](?:st|nd|rd|th))(?: (?:one"
    r"|option|point|item|reason|step|example|entry|part|condition|rule)\b(?! (?:to|of|who|that|in)\b)|(?=\s*(?:[?.!,]"
    r"|$)|\s+[a-z]+\s*[?.!]*$))|\b(?:number|option|point|item|no\.?|step|reason) (?P<number>[1-9]|one|two|three|four"
    r"|five)(?=\s*[?.!,]?\s*$)|第(?P<eastern>[一二三四五1-5])(?:个|項|项|点|つ)?|(?P<counter>[一二三四五1-5])(?:番目"
    r"|つ目)|\b(?:(?:das|die|der|den|dem|le|la|el) )?(?P<foreign>erste|zweite|dritte|letzte|premi[eè]re?|deuxième"
    r"|seconde|troisième|derni[eè]re?|primer[oa]?|segund[oa]|tercer[oa]?|últim[oa])[nrs]?\s*\??$"
)
SHORT_PHRASE = re.compile(
    r"(?i)^(?:in|on|at|for|with|without|from|to|by|of|per|during|after|before|under|until|since|within|even|only"
    r"|except|if|not|für|ohne|mit|bei|nach|vor|auch|pro|pour|par|sans|avec|dans|chez|para|por|sin|con|sobre) "
    r"[^,]{1,50}\?$"
)
ASKS_WHICH = re.compile(
    r"(?i)(?:(?:in|at|by|for|from|on|since|until|to|under|with) )?(?:what|which|whose|how (?:many|much)) [\w-]+\W*"
)
PAPER_WORDS = frozenset(
    "document documents file files pdf pdfs contract agreement policy report text page chapter section manual letter "
    "article paper book library".split()
)
VAGUE = frozenset(
    "more details detail information info examples example instance elaborate explain further exceptions exception "
    "alternatives restrictions limits limitations conditions others additional give show go come mean means mehr "
    "beispiel erzähl darüber dazu plus détails exemple más detalles ejemplo cuéntame afterwards happens happen".split()
)
"""Words that say what is wanted, but not of what."""


# ---------------------------------------------------------------- counting and listing

FILES = (
    r"(?:documents?|docs?|files?|pdfs?|papers?|texts?|library|dokumenten?|unterlagen|dateien|datei|fichiers?"
    r"|documentos?|archivos?)"
)
NOUNS = (
    r"(?:documents?|docs?|files?|pdfs?|papers?|contracts?|letters?|invoices?|reports?|e-?mails?|agreements?|leases?"
    r"|polic(?:y|ies)|receipts?|articles?|notes?|memos?|minutes|manuals?|presentations?|slides?|spreadsheets?"
    r"|certificates?|statements?|cvs?|r[eé]sum[eé]s?|applications?|offers?|quotes?|orders?|forms?|books?|studies"
    r"|chapters?|pages?|messages?|complaints?|proposals?|meetings?|transcripts?|sources?|texts?|records?|guidelines?"
    r"|dokumenten?|dateien?|unterlagen|verträgen?|rechnungen|briefen?|berichten?|mails?|seiten|richtlinien|fichiers?"
    r"|contrats?|factures?|lettres?|rapports?|courriels?|documentos?|archivos?|contratos?|facturas?|cartas?|informes?"
    r"|correos?|páginas?)"
)
_SOME = (
    r"(?: of| all| the| my| our| your| these| those| any| every| each| other| different| uploaded| indexed| meiner| "
    r"unserer| der| von| de| mes| nos| mis| los| las)*(?: [\w-]+)? "
)
_NAMES = (
    r"(?:(?:mention(?:s|ing|ed)?|refer(?:s|ring)? to|(?:talk|speak)(?:s|ing)? (?:of|about)|discuss(?:es|ing)?"
    r"|cit(?:es?|ing)|referenc(?:es?|ing)|(?:contain|use|say|have)(?:s|ing)? (?=(?:the (?:word|phrase|term|name)\b"
    r"|[\"'«]))|(?:are|is|were|was) (?:about|from|by|with|(?:signed|written|sent|issued|created) by|related to)"
    r"|erwähn(?:en|t)|nenn(?:en|t)|mentionn(?:ent|e)|citent|évoquent|mencionan?|citan?)\b|(?:parlent|traitent) "
    r"d(?:(?:e|u|es)\b|['’])|(?:hablan|tratan) del?\b|(?:handeln|sprechen) von\b)"
)
_HOLDS = (
    r"(?:(?:contain(?:s|ing)?|includ(?:es?|ing)|deal(?:s|ing)? with|cover(?:s|ing)?|concern(?:s|ing)?|describ(?:es?"
    r"|ing)|enth(?:alten|ält)|behandeln|contien(?:nent|t)|contienen?|incluyen)\b)"
)
SAYS = rf"(?:{_NAMES}|{_HOLDS})"
WHERE = (
    r"(?:occurs?|appears?|mentioned|found|used|named|referenced|referred to|discussed|cited|comes? up|shows? up|vor"
    r"|erwähnt|genannt|auf|apparaît(?:-(?:il|elle))?|(?:est |sont )?(?:-?(?:t-)?(?:ils?|elles?) )?(?:mentionné"
    r"|cité)e?s?)"
)
_CITED = r"(?:mentioned|referenced|referred to|cited|vor|erwähnt|genannt|apparaît.*|.*mentionné.*)"
_IS = (
    r"(?:do|does|did|is|are|was|were|has|have|can (?:i|we) find|kommt|kommen|wird|werden|steht|taucht|erscheint"
    r"|est-ce que|apparaît|apparaissent|est|sont|aparecen?|se mencionan?|figura)"
)
_ABOUT = (
    rf"(?:(?:that|which|who|die|qui|que) )?(?:(?:do|does) )?(?:{SAYS}|about|from|by|with|on|regarding|concerning"
    r"|related to|signed by|addressed to|sent (?:to|by)|dated|where|in which|to|mit|von|vom|aus|über|zu|an|für|de|du"
    r"|des|d['’]|avec|sur|concernant|del|con|sobre)\b"
)
_PLACES = rf"(?:{NOUNS}|places|passages|lines|sentences|paragraphs|sections|stellen|endroits|lugares)"
_MENTIONS = r"(?:mentions?|occurrences?|references?|instances?|appearances?|hits?)"
HOW_MANY = (
    r"(?:(?:count |tell me )?how many|wie viele[nr]?|combien de|cu[áa]nt[oa]s|(?:what is )?(?:the )?number of|count)"
)
_HOW_OFTEN = r"(?:how (?:often|many times|frequently)|wie (?:oft|häufig)|combien de fois|cu[áa]ntas veces)"
WHICH = r"(?:which|what|welche[rsnm]?|quel(?:le)?s?|qu[ée]|cu[áa]les)"
_SHOW = (
    r"(?:list|show|find|get|give|display|enumerate|name|tell|collect|search for|look for|i need|i want|liste|zeige?"
    r"|finde?|nenne?|such\w*|listez?|montrez?|trouvez?|donnez?|lista|enumera|muestra|encuentra|dame|busca)(?:-moi| me"
    r"| mir)?"
)
_ALL = (
    r"(?:a list of|all|every|each|any|of|the|my|our|those|these|alle|sämtliche|tous|toutes|la liste|les|des|tod[oa]s"
    r"|l[oa]s|mis|una lista de) "
)
_SEVERAL = (
    r"(?=(?:list|enumerate|liste|lista) |.{0,24}\b(?:all|every|each|any|alle|sämtliche|tous|toutes|tod[oa]s) |[a-z]+ "
    r"(?:me )?(?:my |our )?[\w-]+s )"
)
"""What asks for several documents rather than for "the contract with ..."."""
_EXIST = r"(?:(?:are there|do (?:i|we|you) have|gibt es|haben wir) )?(?:(?:that|which|die|qui|que) )?(?:do )?"
_BY = r"(?:(?:about|from|by|with|regarding|concerning|über|von|mit|sur|sobre)\b)"
_CJK_FILES = r"(?:文書|ファイル|書類|契約書|資料|請求書|ドキュメント|合同|文件|文档|资料|报告|信件?|发票|邮件)"
_JA_SAYS = (
    r"(?:に言及(?:している|する|した)|に触れ(?:ている|た)|を(?:含む|含んでいる|扱う|扱っている|扱った)|が(?:出てくる"
    r"|登場する|載っている|書かれている|含まれ(?:る|ている))|について(?:書かれ(?:た|ている)|述べ(?:た|ている)"
    r"|言及し(?:た|ている)|触れ(?:た|ている)|書いてある|の)|に関(?:する|連する|係する))(?:すべての|全ての|全部の)?"
)
_JA_HOW_MANY = rf"(?:何[回度]|何[箇か]所|(?:いくつ|何件)の{_CJK_FILES})"
_JA_OCCURS = r"(?:出て|登場|言及|現れ|使われ|載って|含まれ)"
_ZH_SAYS = r"(?:里|中)?(?:有)?(?:提到|提及|包含|涉及|含有|谈到|谈论|讲到|讨论|写到|出现|关于|有关|说到)(?:了|过)?"
_TERM = r"(?P<term>.+?)"
_SHORT = r"(?P<term>.{1,40}?)"
COUNTING: tuple[tuple[Literal["count", "list"], tuple[str, ...]], ...] = (
    (
        "count",
        (
            rf"{HOW_MANY}{_SOME}{NOUNS} {_EXIST}(?:{SAYS}|{_BY}) ?{_TERM}",
            rf"(?:in|on|across|dans|en) {HOW_MANY}{_SOME}{_PLACES} {_IS} {_TERM}(?: {WHERE})?",
            rf"{HOW_MANY}{_SOME}{NOUNS} (?:(?:that|which) )?(?:ha(?:ve|s)|haben|ont|tienen) (?:(?:an?|any|no|une?"
            rf"|eine?n?|una?) ){_TERM}",
            rf"{HOW_MANY}{_SOME}{NOUNS} (?:do (?:i|we|you) have|are there|haben wir|habe ich|gibt es|ai-je|avons-nous"
            rf"|tengo"
            rf"|hay) (?:on|zum? (?:thema)?|à propos de) {_TERM}",
            rf"{HOW_MANY}{_SOME}{NOUNS} (?:(?:gibt es|habe ich|haben wir|ai-je|y a-t-il|avons-nous|tengo|hay|tenemos) "
            rf")"
            rf"(?:{_BY}|zum?|zur|de) ?{_TERM}",
            rf"(?:count )?{_HOW_OFTEN} (?:{_IS} )?(?:been )?{_TERM} (?:been |be |is )?{_CITED}",
            rf"{_HOW_OFTEN} {_IS} (?P<term>(?:the )?(?:word|term|phrase|name) .+?|[\"'].+?) {WHERE}",
            rf"{_HOW_OFTEN} (?:aparecen?|se mencionan?|figura|apparaît|apparaissent) {_TERM}",
            rf"{_HOW_OFTEN} (?:do|does){_SOME}{NOUNS} {SAYS} {_TERM}",
            rf"{HOW_MANY} (?:all |the )*{_MENTIONS} (?:of|to|for) {_TERM}(?: (?:are|is) there)?",
            rf"{_SHORT}(?:という(?:言葉|単語))?[はが](?:全部で|文書に|資料に)?{_JA_HOW_MANY}.{{0,3}}{_JA_OCCURS}.*",
            rf"{_SHORT}{_JA_SAYS}{_CJK_FILES}は?(?:いくつ|何[件個通枚本]).*",
            rf"有?(?:多少|几)[份个篇封张]?{_CJK_FILES}[中里]?{_ZH_SAYS}{_SHORT}",
            rf"{_ZH_SAYS}{_SHORT}的{_CJK_FILES}[一总]?共?有(?:多少|几)[份个篇封张]?",
            rf"{_SHORT}(?:这个词)?(?:[一总]共)?在(?:多少|几)[份个篇封]?{_CJK_FILES}[中里]?(?:出现|被?提).*",
            rf"{_SHORT}(?:这个词)?(?:[一总]共|在文[件档][中里])?(?:出现|被?提[到及])[了过]?(?:多少|几)次.*",
        ),
    ),
    (
        "list",
        (
            rf"{WHICH}(?: of)?{_SOME}{NOUNS} (?:(?:that|which|do) )?(?:{_NAMES}|(?<=[sn] ){_HOLDS}) ?{_TERM}",
            rf"{WHICH}{_SOME}{NOUNS} (?:do (?:i|we|you) (?:have|own|keep)|have (?:i|we) got|are there|exist|habe ich"
            rf"|haben wir|gibt es|ai-je|avons-nous|y a-t-il|tengo|tenemos|hay) (?:that |which )?(?:{SAYS}|{_BY}|on"
            rf"|zum?|zur|de"
            rf"|du|d') ?{_TERM}",
            rf"(?:got |have (?:i|we|you) (?:got )?|(?:do )?(?:i|we|you) (?:have|got) )?any{_SOME}{NOUNS} {_ABOUT} "
            rf"?{_TERM}",
            rf"(?:in|on|dans|en) {WHICH}{_SOME}{_PLACES} {_IS} {_TERM} {WHERE}",
            rf"(?:en|dans) {WHICH}{_SOME}{_PLACES} (?:aparecen?|se mencionan?|apparaît) {_TERM}",
            rf"(?:where|wo)(?: all| else| exactly| überall)? {_IS} {_TERM} (?:überall )?{_CITED}",
            rf"(?:d[óo]nde (?:se mencionan?|aparecen?)|où (?:est|sont) (?:mentionné|cité)e?s?) {_TERM}",
            rf"{_SHOW} {_ALL}*(?:{_MENTIONS}|places|passages|pages) (?:of|to|where|with|about|that {SAYS}) {_TERM}",
            rf"(?:{_SHOW} )?(?:all )?where {_TERM} (?:is|are) {WHERE}",
            rf"where {_IS} {_TERM} (?:appear|occur) in (?:(?:all|my|our|the|any|of) )*{FILES}",
            rf"{_SEVERAL}{_SHOW} {_ALL}*(?P<noun>(?:[\w-]+ )?{NOUNS}) {_ABOUT} ?{_TERM}(?: auf)?",
            rf"(?:do|does|is|are) (?:there )?(?:any|another|some|an?){_SOME}{FILES} {_ABOUT} {_TERM}",
            rf"(?:do|does|are) (?:there )?any{_SOME}{NOUNS} {_ABOUT} {_TERM}",
            rf"(?:is|are) {_TERM} (?:ever )?(?:mentioned|named|cited) (?:anywhere|somewhere|in any\b.*)",
            rf"{_SHORT}{_JA_SAYS}{_CJK_FILES}(?:は(?:どれ|何|どこ|あり)|を|の一覧).*",
            rf"どの{_CJK_FILES}[がにで]{_SHORT}(?:に言及|に触れ|を含|[がは]出て|が載って|が書かれ).*",
            rf"(?:我?有)?哪(?:些|几?[份个]){_CJK_FILES}[中里]?{_ZH_SAYS}{_SHORT}",
            rf"请?(?:帮我)?(?:列出|找出|显示|查找|给我|列举)(?:所有|全部)?{_ZH_SAYS}{_SHORT}的(?:所有|全部)?{_CJK_FILES}.*",
            rf"(?:我|我们)?有(?:没有|哪些|什么){_ZH_SAYS}{_SHORT}的{_CJK_FILES}.*",
            rf"{_ZH_SAYS}{_SHORT}的{_CJK_FILES}(?:有哪些|有什么|在哪).*",
            rf"{_SHORT}在哪(?:些|几?[份个]){_CJK_FILES}[中里]?(?:出现|被?提).*",
        ),
    ),
)

# ---------------------------------------------------------------- where to look

THE = r"(?:(?:the|my|our|this|that|your|der|die|das|dem|den|meine[mnrs]?|le|la|les|mon|ma|el|los|mi|su) |l')"
_STRONG = r"(?:according to|as per|per|based on|on the basis of|pursuant to|laut|gemäß|selon|d'après|según)"
_WEAK = r"(?:in|inside|within|from|by|us(?:e|ing)|with|see|check|search|read|look (?:in|at)|under|im|aus|dans|en)"
_FILE = r"(?:documents?|files?|pdf|datei|dokument|fichier|archivo|documento)"
INTRO = re.compile(
    rf"(?i)(?:^|(?<=[\s,(]))(?:(?P<strong>{_STRONG}|im)|{_WEAK}) (?P<the>{THE}?(?:{_FILE} (?:called |named "
    rf")?)?)[\"«]?$|(?:在|根据|按照)$"
)
TASK = re.compile(r"(?i)(?:please |can you |could you )?(?:write|draft|compose|prepare|compare|translate|create)\b")
ASKS_OF = re.compile(rf"(?i)\b(?:does|do|did|what|how|where|if|whether|was) {THE}?(?:{_FILE} )?$")
PAPER_SAYS = re.compile(
    rf"(?i)[\"»]? ?(?:{_FILE} )?(?:says?|states?|mentions?|specif(?:y|ies)|defines?|contains?|requires?|allows?"
    rf"|covers?|provides?|explains?|describes?|tells?|sagt|dit|dice)\b|(?:には|によると|によれば|では|の中で|中|里)"
)
SAID_OF = re.compile(
    rf"(?i)^what (?:exactly )?(?:does|do|did|is|was) {THE}?(?:{_FILE} )?\x00. (?:{_FILE} )?(?:say|state|mention"
    rf"|specify|contain|tell (?:us|me)|have to say|said|written) (?:about|on|regarding|concerning) "
)
FROM_PAPER = re.compile(
    rf"(?i)(?:,? ?\b(?:{_STRONG}|{_WEAK}) {THE}?(?:{_FILE} (?:called |named )?)?[\"«]?\x00.[\"»]?(?:(?:,| and| or| "
    rf"und| et| y) {THE}?\x00.)*(?: {_FILE}\b)?|(?:在|根据|按照)\x00.[中里]?|\x00.(?:には|によると|によれば|では"
    rf"|の中で))[,:，、]?"
)
PARTLY = re.compile(rf"(?i)\b(?:(?P<strong>{_STRONG}|do(?:es)?|did)|in|from) {THE}(?P<words>(?:[\w-]+ ?){{1,5}})")
PLACE_END = (
    r"(?=[?!.,;:]|$| (?:what|how|who|when|where|which|why|is|are|do|does|did|can|must|may|about|on|for|regarding"
    rf"|{_FILE})\b)"
)
KIND_OF_FILE = re.compile(
    r"(?i),? ?\b(?:in|from|across|among|within|of|aus|dans|en) (?:all |only |allen )?(?:of )?(?:(?:the|my|our|your"
    r"|den|meinen|les|mes|los|mis) )?(?P<kind>[\w-]+?)"
    rf"(?P<files> (?:files?|documents?|docs?))?{PLACE_END}[,:]?"
)
IN_FOLDER = re.compile(
    r"(?i),? ?\b(?:in|from|within|inside|under|im|aus dem|dans le|en la) (?:(?:the|my|our) )?(?:(?:folder|directory"
    r"|ordner|dossier|carpeta) (?:called |named )?\"?(?P<after>[\w./ -]{1,60}?)\"?"
    rf"|\"?(?P<before>[\w./ -]{{1,60}}?)\"? (?:folder|directory|ordner)){PLACE_END}[,:]?"
)
IN_LIBRARY = re.compile(
    r"(?i),? ?\b(?:(?:in|from|across|within|inside|among|throughout|according to|based on|using) (?:all )?(?:of "
    r")?(?:the|my|our|your|these|all) (?:uploaded |indexed |stored )?(?:documents?|files?|docs?|papers|library)|in "
    r"(?:meinen|den|allen) (?:dokumenten|dateien|unterlagen)|dans (?:mes|les) (?:documents|fichiers)"
    rf"|en (?:mis|los) (?:documentos|archivos)){PLACE_END}[,:]?|^what do (?:my|our|the) (?:documents|files) say "
    rf"(?:about|on) |^(?:search|look)(?: in| through)? (?:all )?(?:my|our|the) (?:documents|files|library) for "
)


ONLY_IN = re.compile(
    r"(?i)^(?:(?:please|can you|could you|bitte) )?(?:search|look|check|use|consider|query|only|just|suche?"
    r"|durchsuche|nur|cherche[rz]?|seulement|uniquement|busca|solo|sólo)(?: (?:only|just|in|into|through|at|within"
    r"|inside|from|all|nur|seulement|uniquement|solo|sólo|dans|en|the|my|our|die|den|der|dem|meine[nm]?|les?|la|mes"
    r"|los?|las|mis))* (?P<what>[^:,]{2,60}?)(?: only| nur)?(?::| for|, and tell me| nach| pour| por)\s*(?=\S)"
)
PLACE_WORD = re.compile(
    r"(?i)(?:^| )(?:files?|documents?|docs?|folder|directory|dateien|fichiers|archivos|ordner|dossier)\b"
)
PAPERS = re.compile(
    r"(?i)\b(?:the|my|our|this|that|these|those|his|her|their|its|each|every|all|attached) (?:[\w'-]+ "
    r"){0,3}?(?:documents?|files?|pdfs?|reports?|contracts?|leases?|polic(?:y|ies)|manuals?|handbooks?|guidelines?"
    r"|invoices?|minutes|meetings?|agreements?|letters?|papers?|articles?|stud(?:y|ies)|attachments?|notes|slides"
    r"|presentation|transcript|data|results|findings|library|complaints?|e-?mails?|warranty|terms|statements?|rules"
    r"|proposal|section|chapter|clause|budget|receipt)\b|\b(?:according to|(?:based on|using|from) (?:the|my|our))\b"
)
POINTS_AT_PAPERS = re.compile(
    r"(?i)\b(?:laut|gemäß|anhand|auf (?:basis|grundlage) (?:von|de[rs])|d'après|selon|à partir d|según|basad[oa] en|a "
    r"partir de|(?:de[rnms]|die|das|mein\w*|unser\w*|d(?:u|e la|e ce|ans)|mon|ma|notre|del|de la|mi|nuestr[oa]) "
    r"(?:\w*(?:vertrag\w*|dokumente?\w*|bericht\w*|unterlagen|datei\w*|protokoll\w*|richtlinie\w*|rechnung\w*"
    r"|handbuch\w*)|contrats?|rapport|documents?|fichiers?|bail|factures?|procès-verbal|manuel|contrato|informe"
    r"|documentos?|archivos?|facturas?|acta))\b|(?:この|その)?(?:契約書|資料|ファイル|報告書|議事録|文書)(?:に基づ"
    r"|を(?:もと|元|使)|から|の)|根据|基于|(?:这份|合同|文件|文档|报告)(?:的|中|里)"
)
"""What shows, in other languages than English, that a text is to be written from documents."""


# ---------------------------------------------------------------- summaries

WHOLE_WISH = re.compile(
    r"(?i)\b(?:brief me on|summari[sz](?:e|ing)|summary|summaries|sum up|overview|synopsis|recap|gist|outline|tl;?dr"
    r"|condens\w*|digest|rundown|distil\w*|boil(?:ed)?(?=.* down)|(?:reduce|shorten|compress)(?=.* to )"
    r"|sum\b(?=.{1,60}\bup\b)|short version|abstract of|in short|(?:key|main|central|essential|most important) "
    r"(?:points?|takeaways?|facts?|messages?|findings?|ideas?|topics?|contents?|things)|takeaways|highlights|in a "
    r"nutshell|zusammenfass\w+|fass\w*|überblick|übersicht|kurzfassung|kernaussagen?|inhaltsangabe|(?:wichtigsten"
    r"|wesentlichen|zentralen) (?:punkte|aussagen|inhalte)|résum\w+|synthèse|points (?:clés|principaux|essentiels)"
    r"|resum\w+|resúm\w+|sintetiza\w*|síntesis|synthétis\w+|(?:grandes lignes|idées principales|ideas principales|lo "
    r"más importante|l'essentiel|panorama|aperçu)|puntos (?:clave|principales))\b|要約|まとめ|概要|要点|要旨|簡潔に"
    r"|简述|归纳|总结|概括|概述|摘要|主要内容"
)
"""What asks for a summary."""
FILLER = frozenset(
    "a an the my our your this that these of in on me us please can could would you give write make create provide do "
    "get i need want show tell have short brief briefly quick quickly concise detailed long full complete whole "
    "entire one two three five ten sentence sentences words bullet points point list paragraph paragraphs for from to "
    "and with document file pdf text paper contents content what is are it there just now ok so some all both "
    "attached uploaded english german der die das den dem des dieses diese dieser bitte mir kurz kannst du gib eine "
    "einen von zusammen dokument datei und auf deutsch le la les l du de ce cette moi un une s il te vous plaît fais "
    "faites peux tu pouvez fichier en français et hazme i'd like executive how was sind quels sont cuáles son in "
    "general overall read about it's donne el los las del por favor haz una este esta documento archivo puedes "
    "español y dame down up into no more than at most sentences lines line page words 5 3 10 bullet bitte es mal uns "
    "unser unsere liste deux trois cinq dix mots drei fünf zwei sätzen sätze punkten einen über open look take check "
    "go through lignes líneas zeilen boil boiled reduce shorten compress sum stichpunkten worten mots phrases nous "
    "m'en nos principales frases palabras puntos dos tres cinco breve breves".split()
)
PARTICLES = re.compile(
    "内容|[をのはにがで、。ってくださいお願しますこの请把对一下吗呢的这份该篇个了帮我给用简短要点]|教えて|して|说"
)
