"""The words of the tabs Attention, Modalities, What if and Compare in Chinese, by the English in the views."""

CHINESE_TABS: dict[str, str] = {
    # Attention
    "Spectrogram": "频谱图",
    "128 bands": "128 个频带",
    "{columns} cells of time across, {rows} of frequency upwards": "横向 {columns} 格为时间，纵向 {rows} 格为频率",
    "Input": "输入",
    "four channels of 32 bands, their mean": "四个通道各 32 个频带，取平均",
    "Level {n}": "第 {n} 层",
    "{count} blocks": "{count} 个分块",
    "one block": "一个分块",
    "{rows} × {columns} cells": "{rows} × {columns} 格",
    "head {n} of {count}": "第 {n} 个注意力头（共 {count} 个）",
    "mean of {count} heads": "{count} 个注意力头的平均",
    "Level by level": "逐层",
    "average of {count} pieces of 0.4 s": "{count} 个 0.4 秒片段的平均",
    "piece {n} of {count}, {time}": "第 {n} 个片段（共 {count} 个），{time}",
    "Warm = attended": "暖色 = 受关注",
    "Warm = modulated": "暖色 = 调制强",
    "more than {even}.": "高于{even}。",
    "an even share": "平均份额",
    "the mean": "平均值",
    "{times:.2g} × less": "低至 1/{times:.2g}",
    "{times:.2g} × more": "高至 {times:.2g} 倍",
    "Mel-spectrogram from {start:.1f} to {end:.1f} seconds, up to 8 kHz": (
        "{start:.1f} 至 {end:.1f} 秒的梅尔频谱图，最高 8 kHz"
    ),
    "brighter = louder": "越亮越响",
    "most at {time:.1f} s near {frequencies} kHz, {times:.1f} × {even}": (
        "最强处在 {time:.1f} 秒、{frequencies} kHz 附近，为{even}的 {times:.1f} 倍"
    ),
    "Over the whole utterance": "整段话语",
    (
        "Before the network sees a piece, its 128 mel bands are folded into four channels of 32, so a cell stands for "
        "four places on the frequency axis at once: the rows are drawn four times, between the thin lines, and which "
        "of the four mattered cannot be told. Time is not folded. Attention is shared out inside each block (here "
        "{blocks} wide, level by level), so compare the cells of a block with one another, and not one moment with a "
        "later one."
    ): (
        "网络看到片段之前，128 个梅尔频带被折叠成四个通道，每个 32 个频带，所以一格同时对应频率轴上的四处："
        "图中细线之间把同样的行画了四遍，究竟是哪一处起作用无从得知。时间没有折叠。注意力在每个分块内部分配"
        "（各层分块宽度依次为 {blocks}），因此请在同一分块内比较各格，不要拿先后两个时刻相比。"
    ),
    (
        "The network sees a piece as one picture, so a row is what it seems, a band of frequencies. A cell shows how "
        "strongly its place is modulated by its surroundings (the size of its modulator), less or more than the "
        "level’s mean over the utterance."
    ): (
        "网络把片段看作一整幅图，所以每一行就是一个真实的频带。每格表示该处受周围环境调制的强弱（调制量的大小），"
        "与该层在整段话语中的平均值相比。"
    ),
    "Brightness is loudness.": "亮度表示响度。",
    "What is grey was too quiet and was cut off before the model.": "灰色部分声音太小，在进入模型之前已被截去。",
    (
        "There is no attention to show: the voice is missing or was left out, or this model has none that can be "
        "watched."
    ): ("没有可显示的注意力：这里没有声音，或声音被略去，或该模型没有可观察的注意力。"),
    "What each emotion’s query looks at": "每种情感的查询在看什么",
    (
        "Each emotion has a query of its own that reads the fused sequence of words, faces and pieces of the voice; "
        "the summary is the sequence’s own [CLS] token, which carries something of all: in the compact model, what "
        "words, face and voice answer by themselves. A cell compares a token with an even share of the query’s "
        "attention, averaged over layers. Where a query looks is not yet what it makes of it."
    ): (
        "每种情感各有一个查询，读取由文字、面部和声音片段融合成的序列；“汇总”是序列自带的 [CLS] 标记，它含有各部分的"
        "信息：在紧凑模型中，就是文字、面部和声音各自给出的答案。每格把一个标记与该查询注意力的平均份额相比，对各"
        "层取平均。查询看向哪里，并不等于它由此得出什么。"
    ),
    "words": "文字",
    "face": "面部",
    "voice": "声音",
    "summary": "汇总",
    "most at “{place}”": "最关注“{place}”",
    "most at the face at {place}": "最关注 {place} 处的面部",
    "most at the voice at {place}": "最关注 {place} 处的声音",
    # Modalities
    "Face": "面部",
    "Voice": "声音",
    "Words": "文字",
    "What each says alone": "各自单独的结果",
    "How much each counts": "各自的权重",
    "When one is left out": "略去其中之一时",
    "In force here: {weights}.": "此处的权重：{weights}。",
    "It is {share} % sure that the words were said. As far as it is not, the answer is the one without them.": (
        "听写有 {share} % 的把握；其余部分按没有文字时的结果计入。"
    ),
    "What is missing counts nothing, and its weight is shared among the others.": (
        "缺失的不计权重，其权重由其余的分担。"
    ),
    (
        "This model learns inside its network how to put face, voice and words together. No weights are set "
        "beforehand; what each adds is seen when it is left out."
    ): "该模型在网络内部学习如何融合面部、声音和文字，没有预设的权重；各自的作用可从略去它时的变化看出。",
    "There is no face here; nothing was filled in for it.": "这里没有面部，也没有填补任何内容。",
    "There is no voice here; nothing was filled in for it.": "这里没有声音，也没有填补任何内容。",
    "There are no words here; nothing was filled in for them.": "这里没有文字，也没有填补任何内容。",
    "The face is alone here, so what it says is the answer.": "这里只有面部，所以它的结果就是答案。",
    "The voice is alone here, so what it says is the answer.": "这里只有声音，所以它的结果就是答案。",
    "The words are alone here, so what they say is the answer.": "这里只有文字，所以它的结果就是答案。",
    "One modality is alone here, so there is nothing to leave out.": "这里只有一种模态，没有可略去的。",
    "All together": "全部",
    "Without the face": "略去面部",
    "Without the voice": "略去声音",
    "Without the words": "略去文字",
    "Changes of the probabilities": "概率的变化",
    "Emotion": "情感",
    "Most changed: {emotion}, from {before:.2f} to {after:.2f} ({change}).": (
        "变化最大：{emotion}，从 {before:.2f} 到 {after:.2f}（{change}）。"
    ),
    "No probability differs by as much as 0.01.": "各概率的差别都不到 0.01。",
    # What if
    "As it was": "原来",
    "With the change": "更改之后",
    "The face was left out.": "略去了面部。",
    "The voice was left out.": "略去了声音。",
    "The words were left out.": "略去了文字。",
    "Words before": "原来的文字",
    "Words now": "现在的文字",
    "none": "无",
    "Nothing was changed.": "没有任何更改。",
    "With face, voice and words all left out there is nothing to read: keep at least one of them.": (
        "面部、声音和文字全部略去后就没有可读的了：请至少保留一种。"
    ),
    "Nothing is left to read of this utterance: keep a modality that it has, or type its words.": (
        "这段话语没有剩下可读的内容：请保留它已有的一种模态，或输入文字。"
    ),
    "That is too much for one utterance: a transcript may have at most 2000 characters.": (
        "对一段话语来说太长了：文字最多 2000 个字符。"
    ),
    # Compare
    "Compared": "比较",
    "{one} and {other} give the same answer.": "{one} 与 {other} 答案相同。",
    "{one} and {other} give different answers.": "{one} 与 {other} 答案不同。",
    "same answer": "答案相同",
    "other answer": "答案不同",
    "The answers of both models": "两个模型的答案",
    "Most different: {emotion}, {before:.2f} and {after:.2f} ({change}).": (
        "差别最大：{emotion}，{before:.2f} 与 {after:.2f}（{change}）。"
    ),
    "{one} and {other} give the same answer in {same} of {count}.": (
        "{one} 与 {other} 在 {count}中有 {same} 段答案相同。"
    ),
    (
        "These models name other emotions: {one} {first}; {other} {second}. So their answers are shown, but not "
        "counted as the same or not."
    ): "两个模型所用的情感不同：{one} 为{first}；{other} 为{second}。因此只并列显示答案，不计相同与否。",
}
