"""The page's words in Chinese, by the English that stands in the code; places for values are the same in both.

The tabs' are in `chinese_tabs`, sentences that come with their values filled in in `chinese_told`.
"""

# ruff: noqa: E501  (a sentence a line)

from fv2es.ui.chinese_tabs import CHINESE_TABS

CHINESE = CHINESE_TABS | {
    # Emotions
    "anger": "愤怒",
    "disgust": "厌恶",
    "fear": "恐惧",
    "happy": "快乐",
    "sad": "悲伤",
    "surprise": "惊讶",
    "excited": "兴奋",
    "frustrated": "沮丧",
    "neutral": "中性",
    # Head and foot
    "What face, voice and words express in a video, utterance by utterance.": "视频中的面部、声音和文字逐句表达了什么情感。",
    "Before you use this": "使用之前",
    "Expressed, not felt.": "是表达，而不是感受。",
    "This estimates the emotion that observers would see and hear in a clip. It does not know what anybody feels, and it is often wrong. Use it on yourself or with the consent of the person who is seen, and not to judge people at work or at school.": "本系统估计旁观者在视频中看到、听到的情感。它不知道任何人的内心感受，而且经常出错。请只用于您自己，或先征得出镜者同意；不要用来评判工作或学习中的人。",
    "Uploads and results are deleted {time} after they were made.": "上传的文件和结果会在生成{time}后删除。",
    "an hour": "一小时",
    "{n} hours": "{n} 小时",
    "a minute": "一分钟",
    "{n} minutes": "{n} 分钟",
    'After Wei, Huang and Zhang, <a href="https://arxiv.org/abs/2209.10170">FV2ES</a> (2022), and Dai, Cahyawijaya, Liu and Fung, <a href="https://arxiv.org/abs/2103.09666">FE2E</a> (2021).': '依据 Wei、Huang 和 Zhang 的 <a href="https://arxiv.org/abs/2209.10170">FV2ES</a>（2022）以及 Dai、Cahyawijaya、Liu 和 Fung 的 <a href="https://arxiv.org/abs/2103.09666">FE2E</a>（2021）。',
    "The model that runs here is {}; its card says what it was trained on and how well it does.": "这里运行的模型是 {}；其模型卡说明了训练数据和效果。",
    "The models that run here are {}; their cards say what they were trained on and how well they do.": "这里运行的模型有 {}；其模型卡说明了训练数据和效果。",
    "Programs call the endpoint {name}.": "程序可调用接口 {name}。",
    # Left
    "Clip": "视频",
    "Submit": "提交",
    "Stop": "停止",
    "Clear": "清除",
    "Options": "选项",
    "Examples, with their subtitles": "示例（附字幕）",
    "Bad day": "糟糕的一天",
    "Good news": "好消息",
    "Lost keys": "找钥匙",
    "Two friends": "两个朋友",
    "What is that": "那是什么",
    "Model": "模型",
    "Who hears the words": "由谁听写文字",
    "automatic": "自动",
    "PocketSphinx (rough, offline)": "PocketSphinx（粗略，离线）",
    "no words": "不用文字",
    "Subtitles instead": "或使用字幕文件",
    "Or the words as typed": "或直接输入文字",
    "One line for each utterance.": "每句话一行。",
    "Language that is spoken": "所说的语言",
    "For Whisper, which translates what is not English.": "供 Whisper 使用；它会把非英语译成英语。",
    "Whose face is followed": "跟踪谁的面部",
    "the largest face": "最大的面部",
    "in the left half": "左半边的",
    "in the right half": "右半边的",
    # States
    "Choose a clip, record yourself, or take an example; then press Submit.": "请选择一段视频、录制自己，或使用示例；然后按“提交”。",
    "Each utterance appears here as soon as it is read, while the rest is still being computed.": "每句话一经读出就会显示在这里，其余部分同时继续计算。",
    "Choose a clip first: upload one, record yourself, or take an example.": "请先选择视频：上传、录制，或使用示例。",
    "Waiting for a free place…": "正在等待空位……",
    "Reading the clip…": "正在读取视频……",
    "Too many visitors are waiting just now. Please try again in a minute.": "现在等待的人太多，请一分钟后再试。",
    "This clip could not be read to its end.": "这段视频没能读到结尾。",
    "Stopped before anything was read. Submit begins again.": "还没有读出任何内容就已停止。按“提交”可重新开始。",
    "Stopped after {count}. What was read stays.": "已在{count}后停止。已读出的内容会保留。",
    "The clip was read; there is no utterance in it.": "视频已读完；其中没有话语。",
    "Done: {count}, read in {spent} s.": "完成：{count}，用时 {spent} 秒。",
    "Something went wrong here, and it has been noted as {number}. Another clip may work.": "这里出了问题，已记录为 {number}。换一段视频也许可以。",
    "This is a result that was kept: {file}. The clip itself is not here.": "这是保存的结果：{file}。视频本身不在这里。",
    "The connection broke off after {count}. What was read stays; Submit begins again.": "连接在{count}后中断。已读出的内容会保留；按“提交”可重新开始。",
    "The connection broke off before anything was read. Submit begins again.": "还没有读出任何内容，连接就中断了。按“提交”可重新开始。",
    "No speech was found, so the face alone was read.": "没有发现语音，因此只读取了面部。",
    "No speech was found, so the face alone was read; the words that were given were not used.": (
        "没有发现语音，因此只读取了面部；给出的文字没有用上。"
    ),
    "No face was found, so voice and words alone were read.": "没有发现面部，因此只读取了声音和文字。",
    "No face was found, so the voice alone was read.": "没有发现面部，因此只读取了声音。",
    "Neither speech nor a face was found, so there is nothing to read.": "既没有发现语音也没有发现面部，因此没有可读的内容。",
    "The time for one clip was used up, so the rest of it was skipped.": "单段视频的时间已用完，其余部分已略过。",
    "The typed lines were given to the utterances in order, one line each.": "输入的各行已按顺序分给各句话，每句一行。",
    # Utterances
    "Timeline": "时间线",
    "Utterance": "话语",
    "Utterances": "话语",
    "Utterance {n}": "第 {n} 句",
    "one utterance": "一句话",
    "{n} utterances": "{n} 句话",
    "Thresholds": "阈值",
    "threshold": "阈值",
    "Back to the model’s own": "恢复模型的阈值",
    "at or over its threshold": "达到阈值",
    "under its threshold": "低于阈值",
    "not known": "未知",
    "Average": "平均",
    "Average so far": "目前的平均",
    "plain mean": "简单平均",
    "weighted by duration": "按时长加权",
    "On average over {count}, the clip expresses {emotions}.": "{count}平均来看，视频表达了{emotions}。",
    "On average over {count}, no emotion reaches its threshold, so the clip reads as neutral.": "{count}平均来看，没有情感达到阈值，因此视频为中性。",
    "Read by {name}, {version}weights {hash}…": "由 {name} 读出，{version}权重 {hash}……",
    "version {number}, ": "版本 {number}，",
    " and ": "和",
    ", ": "、",
    # What the model saw
    "alone:": "单独：",
    "left out": "未使用",
    "seconds": "秒",
    "The sound itself is not here.": "声音本身不在这里。",
    "The sound of utterance {n}": "第 {n} 句的声音",
    "heard by Whisper, translated from {language}": "由 Whisper 听写，译自{language}",
    "The face at {time:.1f} seconds": "{time:.1f} 秒时的面部",
    "No face was found here, so the face was left out.": "这里没有发现面部，因此未使用面部。",
    "No speech was heard here, so the voice was left out.": "这里没有听到语音，因此未使用声音。",
    "There are no words here": "这里没有文字",
    "The subtitles have no words here": "字幕在这里没有文字",
    "Nothing was typed for this utterance": "没有为这句话输入内容",
    "Whisper heard no words here": "Whisper 在这里没有听出文字",
    "PocketSphinx heard no words here": "PocketSphinx 在这里没有听出文字",
    ", so the words were left out.": "，因此未使用文字。",
    "from the subtitles": "来自字幕",
    "as typed": "手工输入",
    "heard by Whisper": "由 Whisper 听写",
    "heard by PocketSphinx, roughly": "由 PocketSphinx 粗略听写",
    "{source}, {share} % sure": "{source}，把握 {share} %",
    # Attention
    "Attention": "注意力",
    "Head": "注意力头",
    "Head {n}": "第 {n} 头",
    "mean of all": "全部平均",
    "Piece of 0.4 s": "0.4 秒片段",
    "average piece": "平均片段",
    "Save as PNG": "保存为 PNG",
    "Finding out where the model looks…": "正在查看模型关注哪里……",
    # Modalities
    "Modalities": "模态",
    # What if, compare
    "What if": "假如",
    "What if these had been the words?": "假如说的是这些话？",
    "And what if this were left out?": "假如去掉这些？",
    "Read this utterance again": "重新读取这句话",
    "The model that made this result is not here, so it cannot be asked again.": "生成这个结果的模型不在这里，无法再次读取。",
    "Compare": "比较",
    "{name}, version {number}": "{name}，版本 {number}",
    "The same utterances, as this model reads them": "让这个模型读取同样的话语",
    "There is no second model here.": "这里没有第二个模型。",
    # Files
    "Files": "文件",
    "JSON": "JSON",
    "CSV": "CSV",
    "Subtitles (SRT)": "字幕（SRT）",
    "Subtitles (WebVTT)": "字幕（WebVTT）",
    "Attention (.npz)": "注意力（.npz）",
    "All of it (.zip)": "全部（.zip）",
    "The thresholds that you have moved hold in all that is made from now on.": "您移动过的阈值对此后生成的文件有效。",
    "There is nothing to take away yet.": "还没有可以带走的内容。",
    "Make the annotated video": "制作带标注的视频",
    "Annotated video": "带标注的视频",
    "Drawing the video…": "正在绘制视频……",
    "The clip itself is not kept with a link, so no video can be made of it. Read the clip again for that.": "链接不保存视频本身，因此无法制作视频。请重新读取视频。",
    "Make a link to this result": "生成此结果的链接",
    "Whoever has this link can open the result, without the clip. It is deleted after {time}.": "任何人有此链接都可打开结果，但不含视频。{time}后删除。",
    "Copy": "复制",
    "Copied": "已复制",
    "This model has read the clip already: choose another one beside it.": (
        "这段视频就是由这个模型读取的：请另选一个来比较。"
    ),
    # Models
    "The compact size of V2EM (Wei et al. 2022): RepVGG faces, nested hierarchical attention over the mel-spectrogram; "
    "an ALBERT-style text encoder with a vocabulary of its own; fusion by naive Bayes. No other network's weights are "
    "in it.": (
        "V2EM（Wei 等，2022）的紧凑版：面部用 RepVGG，梅尔频谱图用嵌套的层次注意力；"
        "文字用带有自己词表的 ALBERT 式编码器；以朴素贝叶斯融合。其中没有其他网络的权重。"
    ),
    "The compact size of the transformer fusion with emotion queries (Le et al. 2023) over the networks of v2em-compact: "
    "RepVGG faces, nested attention over the mel-spectrogram; an ALBERT-style text encoder with a vocabulary of its own; "
    "fusion by emotion queries. No other network's weights are in it.": (
        "带情感查询的 Transformer 融合（Le 等，2023）的紧凑版，建立在 v2em-compact 的各网络之上：面部用 RepVGG，"
        "梅尔频谱图用嵌套注意力；文字用带有自己词表的 ALBERT 式编码器；以情感查询融合。其中没有其他网络的权重。"
    ),
    "The compact size of FE2E (Dai et al. 2021): VGG networks over faces and the mel-spectrogram; an ALBERT-style text "
    "encoder with a vocabulary of its own; fusion by naive Bayes. No other network's weights are in it.": (
        "FE2E（Dai 等，2021）的紧凑版：面部和梅尔频谱图都用 VGG 网络；"
        "文字用带有自己词表的 ALBERT 式编码器；以朴素贝叶斯融合。其中没有其他网络的权重。"
    ),
    "The compact size of RFAM with focal modulation (Jia et al. 2024): residual-free faces with SimAM, a focal "
    "modulation network over the mel-spectrogram; an ALBERT-style text encoder with a vocabulary of its own; fusion by "
    "naive Bayes. No other network's weights are in it.": (
        "RFAM 与焦点调制（Jia 等，2024）的紧凑版：面部用带 SimAM 的无残差网络，梅尔频谱图用焦点调制网络；"
        "文字用带有自己词表的 ALBERT 式编码器；以朴素贝叶斯融合。其中没有其他网络的权重。"
    ),
    "There is no attention here that could be saved as a picture.": "这里没有可以保存为图片的注意力。",
    # Languages that are spoken
    "English": "英语",
    "Arabic": "阿拉伯语",
    "Catalan": "加泰罗尼亚语",
    "Chinese": "汉语",
    "Czech": "捷克语",
    "Danish": "丹麦语",
    "Dutch": "荷兰语",
    "Finnish": "芬兰语",
    "French": "法语",
    "German": "德语",
    "Greek": "希腊语",
    "Hebrew": "希伯来语",
    "Hindi": "印地语",
    "Hungarian": "匈牙利语",
    "Indonesian": "印尼语",
    "Italian": "意大利语",
    "Japanese": "日语",
    "Korean": "韩语",
    "Malay": "马来语",
    "Norwegian": "挪威语",
    "Persian": "波斯语",
    "Polish": "波兰语",
    "Portuguese": "葡萄牙语",
    "Romanian": "罗马尼亚语",
    "Russian": "俄语",
    "Spanish": "西班牙语",
    "Swedish": "瑞典语",
    "Thai": "泰语",
    "Turkish": "土耳其语",
    "Ukrainian": "乌克兰语",
    "Urdu": "乌尔都语",
    "Vietnamese": "越南语",
}  # fmt: skip
